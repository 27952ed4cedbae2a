//! Learns to tell two spirals apart, with a training step that graphc compiled.

use std::ffi::{c_char, c_int, c_void, CStr};

include!(concat!(env!("OUT_DIR"), "/numbers.rs"));

const BATCH: usize = 64;
const STEPS: usize = 3000;

/// Memory aligned as the library wants it.
#[repr(C, align(64))]
struct Memory<const BYTES: usize>([u8; BYTES]);

extern "C" {
    fn spirals_initialize(state: *mut c_void, interface: u64) -> c_int;
    fn spirals_message(status: c_int) -> *const c_char;
    fn spirals_train(
        state: *mut c_void,
        workspace: *mut c_void,
        points: *const f32,
        labels: *const f32,
        loss: *mut f32,
    ) -> c_int;
    fn spirals_predict(
        state: *mut c_void,
        workspace: *mut c_void,
        points: *const f32,
        chances: *mut f32,
    ) -> c_int;
}

/// The network and what it has learned.
struct Spirals {
    state: Box<Memory<STATE>>,
    workspace: Box<Memory<WORKSPACE>>,
}

impl Spirals {
    fn new() -> Result<Self, String> {
        let mut state = Box::new(Memory([0; STATE]));
        // SAFETY: the memory is as large and as aligned as the library wants it.
        checked(unsafe { spirals_initialize(state.0.as_mut_ptr().cast(), INTERFACE) })?;
        Ok(Self { state, workspace: Box::new(Memory([0; WORKSPACE])) })
    }

    fn train(&mut self, points: &[[f32; 2]; BATCH], labels: &[f32; BATCH]) -> Result<f32, String> {
        let (state, workspace) = self.memory();
        let mut loss = 0.0;
        // SAFETY: arrays of the header's sizes, and memory that nobody else uses meanwhile.
        checked(unsafe {
            spirals_train(state, workspace, points.as_ptr().cast(), labels.as_ptr(), &mut loss)
        })?;
        Ok(loss)
    }

    fn predict(&mut self, points: &[[f32; 2]; BATCH]) -> Result<[f32; BATCH], String> {
        let (state, workspace) = self.memory();
        let mut chances = [0.0; BATCH];
        // SAFETY: as above.
        checked(unsafe {
            spirals_predict(state, workspace, points.as_ptr().cast(), chances.as_mut_ptr())
        })?;
        Ok(chances)
    }

    fn memory(&mut self) -> (*mut c_void, *mut c_void) {
        (self.state.0.as_mut_ptr().cast(), self.workspace.0.as_mut_ptr().cast())
    }
}

fn checked(status: c_int) -> Result<(), String> {
    if status == 0 {
        return Ok(());
    }
    // SAFETY: the library returns a string that lives for ever.
    let message = unsafe { CStr::from_ptr(spirals_message(status)) };
    Err(message.to_string_lossy().into_owned())
}

/// Points of two spirals, the second the first turned half around.
fn batch(seed: &mut u32) -> ([[f32; 2]; BATCH], [f32; BATCH]) {
    let (mut points, mut labels) = ([[0.0; 2]; BATCH], [0.0; BATCH]);
    for (i, (point, label)) in points.iter_mut().zip(&mut labels).enumerate() {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let along = (*seed >> 8) as f32 / (1 << 24) as f32;
        *label = (i % 2) as f32;
        let angle = 1.5 * std::f32::consts::TAU * along + std::f32::consts::PI * *label;
        *point = [2.0 * along * angle.cos(), 2.0 * along * angle.sin()];
    }
    (points, labels)
}

fn main() -> Result<(), String> {
    let (mut spirals, mut seed) = (Spirals::new()?, 1);
    for step in 1..=STEPS {
        let (points, labels) = batch(&mut seed);
        let loss = spirals.train(&points, &labels)?;
        if step % 1000 == 0 {
            println!("step {step}   loss {loss:.4}");
        }
    }
    let (points, labels) = batch(&mut seed);
    let chances = spirals.predict(&points)?;
    let right = chances.iter().zip(&labels).filter(|(c, l)| (**c > 0.5) == (**l > 0.5)).count();
    println!("tells {right} of {BATCH} new points apart");
    Ok(())
}
