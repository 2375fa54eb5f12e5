//! Lab 3C: what a crash leaves.

use crate::labs::lab::{ELECTION, Lab, Outcome, ms};

/// What is committed is there after restarts of all, of the leader, and of a follower.
pub fn persist1(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, true)?;
    lab.restart_all();
    lab.one(servers, true)?;

    let leader = lab.one_leader()?;
    lab.crash(leader);
    lab.start(leader);
    lab.one(servers, true)?;

    let leader = lab.one_leader()?;
    lab.crash(leader);
    lab.one(servers - 1, true)?;
    lab.start(leader);
    // Its log is whole again before the next one fails.
    lab.wait(4, servers, None)?;

    let leader = lab.one_leader()?;
    let follower = lab.behind(leader, 1);
    lab.crash(follower);
    lab.one(servers - 1, true)?;
    lab.start(follower);
    lab.one(servers, true)?;
    Ok(())
}

/// Five times all servers fail, in turns.
pub fn persist2(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    for _ in 0..5 {
        lab.one(servers, true)?;
        let leader = lab.one_leader()?;
        let [one, two, three, four] = [1, 2, 3, 4].map(|by| lab.behind(leader, by));
        [one, two].iter().for_each(|server| lab.crash(*server));
        lab.one(servers - 2, true)?;
        [leader, three, four].iter().for_each(|server| lab.crash(*server));
        [one, two].iter().for_each(|server| lab.start(*server));
        lab.sleep(ELECTION)?;
        lab.start(three);
        lab.one(servers - 2, true)?;
        [four, leader].iter().for_each(|server| lab.start(*server));
    }
    lab.one(servers, true)?;
    Ok(())
}

/// A leader restarts together with a follower that was cut off before.
pub fn persist3(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(servers, true)?;
    let leader = lab.one_leader()?;
    let (one, two) = (lab.behind(leader, 1), lab.behind(leader, 2));
    lab.disconnect(two);
    lab.one(servers - 1, true)?;
    lab.crash(leader);
    lab.crash(one);
    lab.connect(two);
    lab.start(leader);
    lab.one(servers - 1, true)?;
    lab.start(one);
    lab.one(servers, true)?;
    Ok(())
}

/// As a rule a short pause, and now and then one in which an election may happen.
pub fn pause(lab: &mut Lab) -> Outcome {
    let pause = if lab.random.chance(100_000) {
        lab.random.below(ELECTION.as_millis() as u64 / 2)
    } else {
        lab.random.below(13)
    };
    lab.sleep(ms(pause))
}

/// Figure 8 of the paper: leaders crash as soon as they have taken a command, a thousand times.
pub fn figure8(lab: &mut Lab) -> Outcome {
    let servers = lab.servers();
    lab.one(1, true)?;
    for _ in 0..1000 {
        let mut leader = None;
        for server in 0..servers {
            if lab.runs(server) && lab.feed(server, 1) > 0 {
                leader = Some(server);
            }
        }
        pause(lab)?;
        if let Some(leader) = leader {
            lab.crash(leader);
        }
        let up = (0..servers).filter(|server| lab.runs(*server)).count();
        if up < servers / 2 + 1 {
            let server = lab.any();
            lab.start(server);
        }
    }
    (0..servers).for_each(|server| lab.start(server));
    lab.calm();
    lab.one(servers, true)?;
    Ok(())
}
