//! Unbiased choices from a stream of pseudorandom bytes.

use zeroize::Zeroizing;

use crate::derive::MAX_LEN;

/// The stream's length: 256 words. The longest use makes 64 choices out of 62.
const STREAM_LEN: usize = 1024;
const _: () = assert!(STREAM_LEN <= MAX_LEN);

const WORD_LEN: usize = 4;

/// Choices from a stream of 32-bit big-endian words, by rejection sampling: each choice owns the
/// same number of the 2^32 values of a word, and a word in the remainder is skipped.
pub(crate) struct Choices<F> {
    /// Fills a slice with as much of the stream's beginning.
    expand: F,
    stream: Zeroizing<[u8; STREAM_LEN]>,
    /// How many bytes of the stream are there.
    expanded: usize,
    /// How many words have been taken.
    taken: usize,
}

impl<F: Fn(&mut [u8])> Choices<F> {
    /// Expands the stream for this many choices, and all of it if a word is skipped.
    pub(crate) fn new(choices: usize, expand: F) -> Self {
        let mut stream = Zeroizing::new([0; STREAM_LEN]);
        let expanded = (choices * WORD_LEN).min(STREAM_LEN);
        expand(&mut stream[..expanded]);
        Self {
            expand,
            stream,
            expanded,
            taken: 0,
        }
    }

    /// Returns one of the n `values`, all equally likely: the one at position word / ⌊2^32 / n⌋,
    /// for the next word where that is below n.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        let share = (1 << 32) / values.len() as u64;
        loop {
            let position = u64::from(self.word()) / share;
            let position = usize::try_from(position).ok();
            if let Some(value) = position.and_then(|position| values.get(position)) {
                return *value;
            }
        }
    }

    fn word(&mut self) -> u32 {
        if (self.taken + 1) * WORD_LEN > self.expanded {
            (self.expand)(&mut *self.stream);
            self.expanded = STREAM_LEN;
        }
        let (words, _) = self.stream.as_chunks();
        let word = words
            .get(self.taken)
            .expect("this takes 192 skipped words, each with a probability below 2^-26");
        self.taken += 1;
        u32::from_be_bytes(*word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Choices from these words, expanded for the first `count`.
    fn choices(count: usize, words: &[u32]) -> Choices<impl Fn(&mut [u8])> {
        Choices::new(count, move |stream| {
            for (bytes, word) in stream.chunks_mut(WORD_LEN).zip(words) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
        })
    }

    #[test]
    fn every_choice_owns_the_same_share_of_the_words() {
        const SHARE: u32 = u32::MAX / 10; // ⌊2^32 / 10⌋
        let digits: Vec<u32> = (0..10).collect();
        for digit in 0..10 {
            let (first, last) = (digit * SHARE, (digit + 1) * SHARE - 1);
            assert_eq!(choices(1, &[first]).pick(&digits), digit);
            assert_eq!(choices(1, &[last]).pick(&digits), digit);
        }
    }

    #[test]
    fn words_in_the_remainder_are_skipped() {
        let digits: Vec<u32> = (0..10).collect();
        let remainder: Vec<u32> = (u32::MAX - 5..=u32::MAX).collect(); // 2^32 = 10 × share + 6
        let words = [remainder.as_slice(), &[0], &remainder, &[u32::MAX - 6]].concat();
        for count in [0, 2, 7, 14, 1000] {
            let mut choices = choices(count, &words);
            assert_eq!(choices.pick(&digits), 0);
            assert_eq!(choices.pick(&digits), 9);
            assert_eq!(choices.taken, 14);
        }
    }

    #[test]
    fn the_published_choices() {
        let vectors = include_str!("../../../docs/formats/vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors["choices"].as_array().unwrap();
        assert_eq!(vectors.len(), 2);
        for vector in vectors {
            let stream = hex::decode(vector["stream"].as_str().unwrap()).unwrap();
            let (words, _) = stream.as_chunks();
            let words: Vec<u32> = words.iter().map(|word| u32::from_be_bytes(*word)).collect();
            let positions = vector["positions"].as_array().unwrap();
            let mut choices = choices(positions.len(), &words);
            let values: Vec<u64> = (0..vector["count"].as_u64().unwrap()).collect();
            for position in positions {
                assert_eq!(*position, choices.pick(&values));
            }
        }
    }

    #[test]
    fn a_power_of_two_skips_nothing_and_one_value_is_certain() {
        let mut choices = choices(3, &[u32::MAX, 0x4000_0000, u32::MAX]);
        assert_eq!(choices.pick(&[8, 16, 32, 64]), 64);
        assert_eq!(choices.pick(&[8, 16, 32, 64]), 16);
        assert_eq!(choices.pick(&["only"]), "only");
        assert_eq!(choices.taken, 3);
    }
}
