//! A job as a program for Apache Spark.
//!
//! The program is the files in `spark/`, one behind the other, which are Python as they stand, with another job in the
//! first of them: what was asked for, as literals in one place. So what can differ between two programs is data, and
//! whoever reads one knows all of them. That both ways to run a job give the same output is tested by `spark/run`.

use mapreduce::streaming::Streaming;
use std::fmt::Write as _;

/// A job of executables, with all on which its output depends, and how it is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparkJob {
    /// Mapper, combiner and reducer. Their environment is not exported: no command line says one.
    pub programs: Streaming,
    /// Files, folders and patterns; no standard input, which other machines can't read.
    pub inputs: Vec<String>,
    /// The output directory.
    pub out: String,
    /// How many reduce tasks, and files of output.
    pub reduces: u32,
    /// About how large a split is, in bytes.
    pub split_bytes: u64,
    /// About how many bytes of pairs a map task holds before it runs the combiner.
    pub memory_bytes: u64,
    /// So many failures of a task end the job.
    pub max_attempts: u32,
    /// A command that reads and writes nothing for so many milliseconds has failed; 0: never.
    pub task_timeout_ms: u64,
    /// A task that takes twice as long as others is run a second time, but not before so many milliseconds.
    pub backup_after_ms: u64,
    /// How many tasks run at once where Spark is not told otherwise; none: one for each core.
    pub workers: Option<u32>,
    /// Whether what was counted is printed as JSON.
    pub json: bool,
}

const TEMPLATE: &str = concat!(
    include_str!("spark/head.py"),
    include_str!("spark/input.py"),
    include_str!("spark/commands.py"),
    include_str!("spark/tasks.py"),
    include_str!("spark/driver.py"),
);
/// The lines around the template's own job.
const BEGIN: &str = "JOB = {\n";
const END: &str = "\n}\n";

/// The job as a Python program. The same job gives the same text, in ASCII.
pub fn spark_program(job: &SparkJob) -> String {
    let (before, rest) = TEMPLATE.split_once(BEGIN).expect("the template has a job");
    let (_, after) = rest.split_once(END).expect("the template's job ends");
    format!("{before}{BEGIN}{}{END}{after}", entries(job).join(",\n") + ",")
}

fn entries(job: &SparkJob) -> [String; 14] {
    let Streaming { mapper, combiner, reducer, environment: _ } = &job.programs;
    let text = |text: &Option<String>| text.as_deref().map_or_else(|| "None".into(), literal);
    let workers = job.workers.map_or_else(|| "None".into(), |workers| workers.to_string());
    let inputs: Vec<_> = job.inputs.iter().map(|word| literal(word)).collect();
    let entries = [
        ("quorate", literal(env!("CARGO_PKG_VERSION"))),
        ("mapper", text(mapper)),
        ("combiner", text(combiner)),
        ("reducer", text(reducer)),
        ("inputs", format!("[{}]", inputs.join(", "))),
        ("out", literal(&job.out)),
        ("reduces", job.reduces.to_string()),
        ("split_bytes", job.split_bytes.to_string()),
        ("memory_bytes", job.memory_bytes.to_string()),
        ("max_attempts", job.max_attempts.to_string()),
        ("task_timeout_ms", job.task_timeout_ms.to_string()),
        ("backup_after_ms", job.backup_after_ms.to_string()),
        ("workers", workers),
        ("json", (if job.json { "True" } else { "False" }).to_owned()),
    ];
    entries.map(|(name, value)| format!("    \"{name}\": {value}"))
}

/// A text as a Python string of printable ASCII. Nothing in it can end the string or the line, or look like what it
/// is not.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        let code = u32::from(char);
        // Writing to a string does not fail.
        let _ = match char {
            '"' | '\\' => write!(out, "\\{char}"),
            '\n' => write!(out, "\\n"),
            '\t' => write!(out, "\\t"),
            '\r' => write!(out, "\\r"),
            ' '..='~' => write!(out, "{char}"),
            '\0'..='\u{ff}' => write!(out, "\\x{code:02x}"),
            '\u{100}'..='\u{ffff}' => write!(out, "\\u{code:04x}"),
            _ => write!(out, "\\U{code:08x}"),
        };
    }
    out.push('"');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]
mod tests {
    use super::*;

    fn job() -> SparkJob {
        SparkJob {
            programs: Streaming { mapper: Some("cat".to_owned()), ..Streaming::default() },
            inputs: vec!["a".to_owned(), "b/*.txt".to_owned()],
            out: "o".to_owned(),
            reduces: 3,
            split_bytes: 1 << 20,
            memory_bytes: 1 << 27,
            max_attempts: 4,
            task_timeout_ms: 60_000,
            backup_after_ms: 10_000,
            workers: None,
            json: false,
        }
    }

    /// The lines of the job in a program.
    fn lines(program: &str) -> Vec<&str> {
        let lines = program.lines().skip_while(|line| *line != "JOB = {").skip(1);
        lines.take_while(|line| *line != "}").collect()
    }

    /// What Python reads where [`literal`] has written, by the language's rules for escapes.
    fn read(literal: &str) -> String {
        let inside = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        let mut chars = inside.chars();
        let mut text = String::new();
        while let Some(char) = chars.next() {
            assert!(char != '"' && (' '..='~').contains(&char), "{literal} holds together");
            if char != '\\' {
                text.push(char);
                continue;
            }
            let kind = chars.next().unwrap();
            let mut code = |digits| {
                let code: String = chars.by_ref().take(digits).collect();
                char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap()
            };
            text.push(match kind {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'x' => code(2),
                'u' => code(4),
                'U' => code(8),
                '"' | '\\' => kind,
                other => panic!("{other} is no escape"),
            });
        }
        text
    }

    #[test]
    fn the_job_is_all_that_differs() {
        let program = spark_program(&job());
        let own = [
            format!("    \"quorate\": \"{}\",", env!("CARGO_PKG_VERSION")),
            "    \"mapper\": \"cat\",".to_owned(),
            "    \"combiner\": None,".to_owned(),
            "    \"reducer\": None,".to_owned(),
            "    \"inputs\": [\"a\", \"b/*.txt\"],".to_owned(),
            "    \"out\": \"o\",".to_owned(),
            "    \"reduces\": 3,".to_owned(),
            "    \"split_bytes\": 1048576,".to_owned(),
            "    \"memory_bytes\": 134217728,".to_owned(),
            "    \"max_attempts\": 4,".to_owned(),
            "    \"task_timeout_ms\": 60000,".to_owned(),
            "    \"backup_after_ms\": 10000,".to_owned(),
            "    \"workers\": None,".to_owned(),
            "    \"json\": False,".to_owned(),
        ];
        assert_eq!(lines(&program), own);
        let others = |text: &str| {
            let job = lines(text).join("\n");
            text.replacen(&job, "", 1)
        };
        assert_eq!(others(&program), others(TEMPLATE));
        assert_eq!(program, spark_program(&job()), "nothing in it is drawn or of the hour");
        let name = |line: &&str| line.split(':').next().map(str::to_owned);
        let names = |text: &str| lines(text).iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(&program), names(TEMPLATE), "the template reads what is written");
    }

    #[test]
    fn no_word_gets_out_of_its_string() {
        let odd = [
            "",
            "\"",
            "'",
            "\"\"\"",
            "\\",
            "\\\"",
            "a\\",
            "\"}\nimport os\nos.abort()\nJOB = {\"a\": \"",
            "}\n",
            "#",
            "{x}%s$y",
            "\r\n\t\0\u{1b}\u{7f}\u{85}",
            "stra\u{df}e \u{65e5}\u{672c} \u{2028}\u{202e}\u{feff} \u{1f600}",
            "-*- coding: utf-7 -*-",
        ];
        for word in odd {
            assert_eq!(read(&literal(word)), word);
            let programs = Streaming { mapper: Some(word.to_owned()), ..Streaming::default() };
            let (inputs, out) = (vec![word.to_owned(), word.to_owned()], word.to_owned());
            let program = spark_program(&SparkJob { programs, inputs, out, ..job() });
            assert!(program.is_ascii());
            let lines = lines(&program);
            assert_eq!(lines.len(), 14, "{word:?}");
            let mapper = lines[1].strip_prefix("    \"mapper\": ").unwrap();
            assert_eq!(read(mapper.strip_suffix(',').unwrap()), word);
            assert_eq!(program.lines().count(), TEMPLATE.lines().count());
        }
    }

    /// What holds of every source file here, and what makes the template a program by itself.
    #[test]
    fn the_template_is_tidy() {
        assert_eq!(TEMPLATE.matches(BEGIN).count(), 1);
        assert!(TEMPLATE.is_ascii() && !TEMPLATE.contains('\t') && TEMPLATE.ends_with("\n"));
        assert!(TEMPLATE.lines().all(|line| line.len() <= 120 && line.trim_end() == line));
    }
}
