//! Lines made worse at random, the same ones for the same seed.

/// A source of broken lines.
pub(crate) struct Mutation(u64);

impl Mutation {
    /// The source of that seed.
    pub(crate) fn seeded(seed: u64) -> Mutation {
        Mutation(seed)
    }

    /// A number below `n` (splitmix64).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    /// One of the lines, changed in one to three places.
    pub(crate) fn of(&mut self, lines: &[Vec<u8>]) -> Vec<u8> {
        let mut line = lines[self.below(lines.len())].clone();
        for _ in 0..=self.below(3) {
            let at = self.below(line.len());
            match self.below(9) {
                0 => line.truncate(at),
                1 if !line.is_empty() => line[at] = self.below(256) as u8,
                2 => line.insert(at, b"\" \\-:/?.0"[self.below(9)]),
                3 if !line.is_empty() => drop(line.remove(at)),
                4 => self.change_column(&mut line),
                5 => {
                    let other = &lines[self.below(lines.len())];
                    let from = self.below(other.len());
                    line.truncate(at);
                    line.extend_from_slice(&other[from..]);
                }
                6 => {
                    let places: Vec<usize> =
                        (0..line.len()).filter(|i| matches!(line[*i], b'"' | b' ')).collect();
                    if let Some(&place) = places.get(self.below(places.len())) {
                        line[place] = b"\" \\x"[self.below(4)];
                    }
                }
                7 => {
                    let spaces: Vec<usize> = (0..line.len()).filter(|i| line[*i] == b' ').collect();
                    if let Some(&place) = spaces.get(self.below(spaces.len())) {
                        line.insert(place, b' ');
                    }
                }
                _ => {}
            }
        }
        line
    }

    /// Puts another value into one column, as split at single spaces.
    fn change_column(&mut self, line: &mut Vec<u8>) {
        const VALUES: [&[u8]; 22] = [
            b"-",
            b"-1",
            b"\"-\"",
            b"\"\"",
            b"0",
            b"000",
            b"460",
            b"101",
            b"12.345",
            b"-0.001",
            b"1.",
            b"99999999999999999999",
            b"10.0.0.1:80 10.0.0.2:80",
            b"200 502",
            b"h2",
            b"ws",
            b"2024-02-29T23:59:59.999999Z",
            b"2024-02-30T23:59:59.999999Z",
            b"2024-03-04T10:00:12.5",
            b"\"GET http://[::1]:80-/ \"",
            b"\"GET / /a?b HTTP/1.1\"",
            b"arn:a:targetgroup/b/c/d",
        ];
        let mut columns: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let column = self.below(columns.len());
        columns[column] = VALUES[self.below(VALUES.len())];
        *line = columns.join(&b' ');
    }
}
