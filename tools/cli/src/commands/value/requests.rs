//! Divides a stream of items into requests.

use tokio::sync::mpsc::{self, Receiver};

use super::Source;
use crate::failure::Failure;

/// The most items that the service takes at once.
const MOST: usize = 1000;

/// A JSON body has at most 1 MB. What is left is for the user, the context and the syntax.
const BUDGET: usize = 980_000;

/// An upper limit for what an item takes of a request or a response, in bytes: its JSON, or the
/// reversible value that is made of it.
pub(super) fn weight(text: &str) -> usize {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    let value = text.len().div_ceil(3) * 4 + 200;
    escaped.sum::<usize>().max(value) + 3
}

/// Items in groups that each fit into one request, with the number of the first.
pub(super) struct Requests<T> {
    groups: Receiver<Result<Vec<T>, Failure>>,
    next: u64,
}

/// Groups texts.
pub(super) fn in_requests<T: Send + 'static>(
    source: Source<T>,
    text: impl Fn(&T) -> &str + Send + 'static,
) -> Requests<T> {
    Requests::new(source, move |item| weight(text(item)))
}

impl<T: Send + 'static> Requests<T> {
    /// Reads the source in a thread of its own, one group ahead.
    pub(super) fn new(
        mut source: Source<T>,
        weight: impl Fn(&T) -> usize + Send + 'static,
    ) -> Self {
        let (sender, groups) = mpsc::channel(1);
        tokio::task::spawn_blocking(move || {
            let mut first = None;
            loop {
                let group = group(&mut first, &mut source, &weight);
                let (is_last, is_error) = (
                    matches!(&group, Ok(group) if group.is_empty()),
                    group.is_err(),
                );
                if is_last || sender.blocking_send(group).is_err() || is_error {
                    return;
                }
            }
        });
        Self { groups, next: 1 }
    }

    /// The next group.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Vec<T>)>, Failure> {
        let Some(group) = self.groups.recv().await.transpose()? else {
            return Ok(None);
        };
        let first = self.next;
        self.next += group.len() as u64;
        Ok(Some((first, group)))
    }
}

/// The next group, and in `first` the item after it. An item that is too large for any request is a
/// group by itself: the service says what is wrong with it.
fn group<T>(
    first: &mut Option<T>,
    source: &mut Source<T>,
    weight: &impl Fn(&T) -> usize,
) -> Result<Vec<T>, Failure> {
    let (mut group, mut total) = (Vec::new(), 0);
    while group.len() < MOST {
        let item = match first.take() {
            Some(item) => Some(item),
            None => source()?,
        };
        let Some(item) = item else { break };
        total += weight(&item);
        if total > BUDGET && !group.is_empty() {
            *first = Some(item);
            break;
        }
        group.push(item);
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(items: Vec<String>) -> Vec<usize> {
        let mut items = items.into_iter();
        let mut source: Source<String> = Box::new(move || Ok(items.next()));
        let (mut first, mut lens) = (None, Vec::new());
        loop {
            let group = group(&mut first, &mut source, &|item: &String| weight(item)).unwrap();
            if group.is_empty() {
                return lens;
            }
            lens.push(group.len());
        }
    }

    #[test]
    fn groups_have_a_thousand_items_and_less_than_a_megabyte() {
        assert_eq!(groups(Vec::new()), Vec::<usize>::new());
        assert_eq!(groups(vec![String::new(); 2001]), [1000, 1000, 1]);
        assert_eq!(groups(vec!["x".repeat(100_000); 15]), [7, 7, 1]);
        // JSON writes a control character in six bytes.
        assert_eq!(groups(vec!["\u{1}".repeat(100_000); 3]), [1, 1, 1]);
        let large = "x".repeat(900_000);
        assert_eq!(groups(vec![String::new(), large, String::new()]), [1, 1, 1]);
    }
}
