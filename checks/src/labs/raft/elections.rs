//! Lab 3A: who leads.

use crate::labs::lab::{ELECTION, Lab, Outcome, ms};

/// One leader, and it stays.
pub fn initial_election(lab: &mut Lab) -> Outcome {
    lab.one_leader()?;
    lab.sleep(ms(50))?;
    let term = lab.one_term()?;
    lab.require(term >= 1, || format!("the term is {term}, and there is a leader"))?;
    lab.sleep(2 * ELECTION)?;
    // The labs only warn; where time is real a thread may have had none.
    let later = lab.one_term()?;
    lab.require(term == later || lab.bed().is_real(), || {
        format!("without a failure term {term} became {later}")
    })?;
    lab.one_leader()?;
    Ok(())
}

/// A leader that is cut off is replaced, steps down when it is back, and there is none without a majority.
pub fn re_election(lab: &mut Lab) -> Outcome {
    let first = lab.one_leader()?;
    lab.disconnect(first);
    lab.one_leader()?;
    lab.connect(first);
    let second = lab.one_leader()?;

    let next = lab.behind(second, 1);
    lab.disconnect(second);
    lab.disconnect(next);
    lab.sleep(2 * ELECTION)?;
    lab.no_leader()?;
    lab.connect(next);
    lab.one_leader()?;
    lab.connect(second);
    lab.one_leader()?;
    Ok(())
}

/// Nine times three of seven are cut off, or fewer.
pub fn many_elections(lab: &mut Lab) -> Outcome {
    lab.one_leader()?;
    for _ in 0..9 {
        let cut = [lab.any(), lab.any(), lab.any()];
        cut.iter().for_each(|server| lab.disconnect(*server));
        lab.one_leader()?;
        cut.iter().for_each(|server| lab.connect(*server));
    }
    lab.one_leader()?;
    Ok(())
}
