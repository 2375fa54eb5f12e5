//! What COMMAND answers, and HELP.

use super::{Arguments, Categories, Command, Flags, Id, TABLE, Tail, all, find_full, resolve};
use crate::glob;
use crate::resp::Writer;

/// Answers a request for COMMAND or one of its subcommands. `id` is the row that the request means.
pub fn command<A: Arguments + ?Sized>(id: Id, arguments: &A, writer: &mut Writer<'_>) {
    let names = 2..arguments.count();
    match id {
        Id::CommandCount => writer.integer(i64::try_from(all().count()).unwrap_or(i64::MAX)),
        Id::CommandDocs => writer.map(0),
        Id::CommandHelp => help(&TABLE[Id::Command as usize], writer),
        Id::CommandList => list(arguments, writer),
        Id::CommandGetkeys => get_keys(&Tail::new(arguments, 2), writer),
        Id::CommandInfo if !names.is_empty() => {
            writer.array(names.len());
            for place in names {
                match find_full(arguments.argument(place)) {
                    Some(row) => describe(row, writer),
                    None => writer.null(),
                }
            }
        }
        _ => {
            writer.array(all().count());
            for row in all() {
                describe(row, writer);
            }
        }
    }
}

/// Answers HELP of a container: its subcommands, one on a line.
pub fn help(container: &Command, writer: &mut Writer<'_>) {
    let name = container.name.to_ascii_uppercase();
    let rows = container.subcommands();
    writer.array(rows.len() + 1);
    writer.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for row in rows {
        writer.simple(&row.name[name.len() + 1..].to_ascii_uppercase());
    }
}

/// The ten things that are said of a command.
fn describe(row: &Command, writer: &mut Writer<'_>) {
    writer.array(10);
    writer.bulk(row.name);
    writer.integer(i64::from(row.arity));
    let flags = || row.flags.texts();
    writer.set(flags().count());
    flags().for_each(|flag| writer.simple(flag));
    for place in [row.range.first, row.range.last, row.range.step] {
        writer.integer(i64::from(place));
    }
    let categories = || row.categories().texts();
    writer.set(categories().count());
    categories().for_each(|category| writer.simple(&format!("@{category}")));
    writer.array(row.tips.len());
    row.tips.iter().for_each(|tip| writer.bulk(tip));
    key_specification(row, writer);
    let subcommands = row.subcommands();
    writer.array(subcommands.len());
    subcommands.iter().for_each(|row| describe(row, writer));
}

/// The same range once more, in the form that can say more.
fn key_specification(row: &Command, writer: &mut Writer<'_>) {
    let range = row.range;
    if range.first == 0 {
        return writer.array(0);
    }
    writer.array(1);
    writer.map(3);
    writer.bulk("flags");
    writer.set(1);
    writer.simple(if row.flags.contains(Flags::WRITE) { "RW" } else { "RO" });
    writer.bulk("begin_search");
    writer.map(2);
    writer.bulk("type");
    writer.bulk("index");
    writer.bulk("spec");
    writer.map(1);
    writer.bulk("index");
    writer.integer(i64::from(range.first));
    writer.bulk("find_keys");
    writer.map(2);
    writer.bulk("type");
    writer.bulk("range");
    writer.bulk("spec");
    writer.map(3);
    writer.bulk("lastkey");
    // Counted from the first key; from the end if negative.
    let last = if range.last < 0 { range.last } else { range.last - range.first };
    writer.integer(i64::from(last));
    writer.bulk("keystep");
    writer.integer(i64::from(range.step));
    writer.bulk("limit");
    writer.integer(0);
}

/// COMMAND LIST [FILTERBY (MODULE name | ACLCAT category | PATTERN pattern)].
fn list<A: Arguments + ?Sized>(arguments: &A, writer: &mut Writer<'_>) {
    let is = |place: usize, word: &[u8]| arguments.argument(place).eq_ignore_ascii_case(word);
    let rows: Vec<&Command> = match arguments.count() {
        2 => TABLE.iter().collect(),
        5 if is(2, b"filterby") => {
            let filter = arguments.argument(4);
            if is(3, b"pattern") {
                let filter = filter.to_ascii_lowercase();
                let fits = |row: &&Command| glob::matches(&filter, row.name.as_bytes());
                TABLE.iter().filter(fits).collect()
            } else if is(3, b"aclcat") {
                let category = Categories::named(filter);
                let within = |row: &&Command| {
                    category.is_some_and(|category| row.categories().contains(category))
                };
                TABLE.iter().filter(within).collect()
            } else if is(3, b"module") {
                Vec::new()
            } else {
                return writer.error("ERR syntax error");
            }
        }
        _ => return writer.error("ERR syntax error"),
    };
    writer.array(rows.len());
    rows.iter().for_each(|row| writer.bulk(row.name));
}

/// COMMAND GETKEYS command…
fn get_keys<A: Arguments + ?Sized>(request: &A, writer: &mut Writer<'_>) {
    let Some(row) = meant(request) else {
        return writer.error("ERR Invalid command specified");
    };
    let keyless = row.range.first == 0 && !row.flags.contains(Flags::MOVABLEKEYS);
    if keyless {
        return writer.error("ERR The command has no key arguments");
    }
    let keys = resolve(request).and_then(|row| row.keys(request));
    let Ok(keys) = keys else {
        return writer.error("ERR Invalid number of arguments specified for command");
    };
    writer.array(keys.clone().count());
    keys.for_each(|place| writer.bulk(request.argument(place)));
}

/// The row that a request means, whatever the number of its arguments.
fn meant<A: Arguments + ?Sized>(request: &A) -> Option<&'static Command> {
    let row = super::find(request.argument(0))?;
    if row.flags.contains(Flags::CONTAINER) && request.count() > 1 {
        return row.subcommand(request.argument(1));
    }
    Some(row)
}
