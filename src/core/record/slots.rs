//! The values of a record's fields, each in a place of its own. Written without clearing first: making
//! room for all of them anew cost a tenth of the time that a line takes.
//!
//! Invariant: a place is read only where `present` has its field, and `present` has it only after the
//! place was written.
#![allow(unsafe_code)]

use super::field::{Field, Fields, Kind};
use std::mem::MaybeUninit;

/// Where a field's value lies within the array of its class: texts in one, all else in the other.
const SLOTS: [u8; Field::COUNT] = {
    let mut slots = [0; Field::COUNT];
    let (mut i, mut texts, mut numbers) = (0, 0, 0);
    while i < slots.len() {
        let next = if is_text(i) { &mut texts } else { &mut numbers };
        slots[i] = *next;
        *next += 1;
        i += 1;
    }
    slots
};

const fn is_text(i: usize) -> bool {
    i >= Field::ALL.len() || matches!(Field::ALL[i].kind(), Kind::Text)
}

/// How many fields hold text.
const TEXTS: usize = {
    let (mut i, mut texts) = (0, 0);
    while i < Field::COUNT {
        texts += is_text(i) as usize;
        i += 1;
    }
    texts
};

/// How many fields hold something else.
const NUMBERS: usize = Field::COUNT - TEXTS;

/// The values of fields.
#[derive(Clone)]
pub(super) struct Slots<'a> {
    present: Fields,
    texts: [MaybeUninit<&'a [u8]>; TEXTS],
    numbers: [MaybeUninit<u64>; NUMBERS],
}

impl<'a> Slots<'a> {
    /// No value.
    #[inline(always)]
    pub(super) const fn new() -> Slots<'a> {
        // SAFETY: an array of places that need not be written needs not be written. Repeating one place of two words
        // is compiled to a memset.
        let (texts, numbers) =
            unsafe { (MaybeUninit::uninit().assume_init(), MaybeUninit::uninit().assume_init()) };
        Slots { present: Fields::NONE, texts, numbers }
    }

    /// Forgets all values.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.present = Fields::NONE;
    }

    /// Forgets a value.
    #[inline(always)]
    pub(super) fn remove(&mut self, field: Field) {
        self.present = self.present.without(field);
    }

    /// Keeps a text; nothing if the field holds none.
    #[inline(always)]
    pub(super) fn put_text(&mut self, field: Field, text: &'a [u8]) {
        if field.kind() == Kind::Text {
            self.texts[SLOTS[field as usize] as usize].write(text);
            self.present = self.present.with(field);
        }
    }

    /// Keeps a number; nothing if the field holds text.
    #[inline(always)]
    pub(super) fn put_number(&mut self, field: Field, number: u64) {
        if field.kind() != Kind::Text {
            self.numbers[SLOTS[field as usize] as usize].write(number);
            self.present = self.present.with(field);
        }
    }

    /// Whether the field has a value.
    #[inline(always)]
    pub(super) fn has(&self, field: Field) -> bool {
        self.present.has(field)
    }

    /// The text of a field of text.
    #[inline(always)]
    pub(super) fn text(&self, field: Field) -> Option<&'a [u8]> {
        if !self.present.has(field) || field.kind() != Kind::Text {
            return None;
        }
        // SAFETY: `present` has a field of text only after `put_text` wrote this place of `texts`, which is its alone.
        Some(unsafe { self.texts[SLOTS[field as usize] as usize].assume_init() })
    }

    /// The number of any other field.
    #[inline(always)]
    pub(super) fn number(&self, field: Field) -> Option<u64> {
        if !self.present.has(field) || field.kind() == Kind::Text {
            return None;
        }
        // SAFETY: `present` has such a field only after `put_number` wrote this place of `numbers`, which is its alone.
        Some(unsafe { self.numbers[SLOTS[field as usize] as usize].assume_init() })
    }
}
