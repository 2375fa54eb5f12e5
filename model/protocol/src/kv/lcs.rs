//! A longest common subsequence of two values (LCS).

use super::op::LcsForm;
use super::{Bytes, Fault, Reply};
use alloc::vec;
use alloc::vec::Vec;

/// The most pairs of bytes that are compared, four bytes of memory and some nanoseconds each.
pub const MAX_LCS_PAIRS: usize = 1 << 24;

/// Bytes of both values that are equal and next to each other: where they begin, and how many there are.
#[derive(Clone, Copy)]
struct Match {
    left: usize,
    right: usize,
    length: usize,
}

/// The lengths of the longest subsequences of all pairs of beginnings.
struct Table {
    columns: usize,
    lengths: Vec<u32>,
}

impl Table {
    fn new(left: &[u8], right: &[u8]) -> Self {
        let columns = right.len() + 1;
        let mut table = Self { columns, lengths: vec![0; (left.len() + 1) * columns] };
        for i in 1..=left.len() {
            for j in 1..columns {
                let length = if left[i - 1] == right[j - 1] {
                    table.at(i - 1, j - 1) + 1
                } else {
                    table.at(i - 1, j).max(table.at(i, j - 1))
                };
                table.lengths[i * columns + j] = length;
            }
        }
        table
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lengths[i * self.columns + j]
    }
}

/// What is asked of a longest common subsequence of two values.
pub(super) fn reply(left: &[u8], right: &[u8], form: LcsForm) -> Reply {
    let pairs = (left.len() + 1).checked_mul(right.len() + 1);
    if pairs.is_none_or(|pairs| pairs > MAX_LCS_PAIRS) {
        return Reply::Fault(Fault::LcsTooLong);
    }
    let table = Table::new(left, right);
    let length = Reply::Int(i64::from(table.at(left.len(), right.len())));
    match form {
        LcsForm::Len => length,
        LcsForm::Whole => {
            let matches = matches(&table, left, right).into_iter().rev();
            let bytes = matches.flat_map(|found| &left[found.left..found.left + found.length]);
            Reply::Bulk(Bytes::from(bytes.copied().collect::<Vec<u8>>()))
        }
        LcsForm::Matches { min, lengths } => {
            let found = matches(&table, left, right).into_iter();
            let found = found.filter(|found| found.length as u64 >= min);
            Reply::Many(vec![
                Reply::Many(found.map(|found| found.reply(lengths)).collect()),
                length,
            ])
        }
    }
}

/// The matches, the last one first. Where two ways are as long, the end of the right value is dropped first: with
/// that Redis's choice among equals is met.
fn matches(table: &Table, left: &[u8], right: &[u8]) -> Vec<Match> {
    let (mut i, mut j) = (left.len(), right.len());
    let mut found: Vec<Match> = Vec::new();
    while i > 0 && j > 0 {
        if left[i - 1] == right[j - 1] {
            (i, j) = (i - 1, j - 1);
            match found.last_mut() {
                Some(last) if last.left == i + 1 && last.right == j + 1 => {
                    *last = Match { left: i, right: j, length: last.length + 1 };
                }
                _ => found.push(Match { left: i, right: j, length: 1 }),
            }
        } else if table.at(i - 1, j) > table.at(i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    found
}

impl Match {
    fn reply(self, with_length: bool) -> Reply {
        let number = |number: usize| Reply::Int(number as i64);
        let range =
            |first: usize| Reply::Many(vec![number(first), number(first + self.length - 1)]);
        let mut parts = vec![range(self.left), range(self.right)];
        if with_length {
            parts.push(number(self.length));
        }
        Reply::Many(parts)
    }
}
