//! The model of `spirals.py`, safe to use.

use std::ffi::CStr;
use std::fmt;
use std::os::raw::{c_char, c_int, c_void};
use std::slice;

include!(concat!(env!("OUT_DIR"), "/numbers.rs"));

/// How many points a call takes.
pub const BATCH: usize = POINTS[0];

pub type Point = [f32; POINTS[1]];

/// Memory is made of these, for they are aligned as the library wants it.
#[derive(Clone)]
#[repr(C, align(64))]
struct Block([u8; ALIGNMENT]);

const _: () = assert!(ALIGNMENT == std::mem::align_of::<Block>());

extern "C" {
    fn spirals_initialize(state: *mut c_void, interface: u64) -> c_int;
    fn spirals_validate(state: *const c_void, interface: u64) -> c_int;
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

/// Why the library refused a call. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(c_int);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: for every number the library returns a string that lives for ever.
        let message = unsafe { CStr::from_ptr(spirals_message(self.0)) };
        formatter.write_str(&message.to_string_lossy())
    }
}

impl std::error::Error for Refused {}

fn accepted(status: c_int) -> Result<(), Refused> {
    if status == 0 {
        Ok(())
    } else {
        Err(Refused(status))
    }
}

/// A network and what it has learned. Several learn independently, on threads of their own too.
#[derive(Clone)]
pub struct Spirals {
    state: Box<[Block]>,
    workspace: Box<[Block]>,
}

impl Spirals {
    /// A network that has the initial parameters of `spirals.py`.
    pub fn new() -> Result<Self, Refused> {
        let (mut state, workspace) = (blocks(STATE_BYTES), blocks(WORKSPACE_BYTES));
        // SAFETY: the memory is as large and as aligned as the library wants it.
        accepted(unsafe { spirals_initialize(state.as_mut_ptr().cast(), INTERFACE) })?;
        Ok(Self { state, workspace })
    }

    /// The network that `bytes` came from. Those of another model are refused.
    pub fn restore(bytes: &[u8]) -> Result<Self, Refused> {
        let (mut state, workspace) = (blocks(STATE_BYTES), blocks(WORKSPACE_BYTES));
        // Otherwise it stays empty, and the library refuses that as well.
        if bytes.len() == STATE_BYTES {
            for (block, part) in state.iter_mut().zip(bytes.chunks_exact(ALIGNMENT)) {
                block.0.copy_from_slice(part);
            }
        }
        // SAFETY: as above; the library only reads.
        accepted(unsafe { spirals_validate(state.as_ptr().cast(), INTERFACE) })?;
        Ok(Self { state, workspace })
    }

    /// All that has been learned: write it to a file to go on another day.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: blocks are arrays of bytes, one behind the other.
        unsafe { slice::from_raw_parts(self.state.as_ptr().cast(), STATE_BYTES) }
    }

    /// Learn from points whose labels are 0 or 1. Returns the loss before that.
    pub fn train(
        &mut self,
        points: &[Point; BATCH],
        labels: &[f32; BATCH],
    ) -> Result<f32, Refused> {
        let mut loss = 0.0;
        // SAFETY: the arrays have the shapes that the header states, and nobody else uses the
        // memory meanwhile.
        accepted(unsafe {
            spirals_train(
                self.state.as_mut_ptr().cast(),
                self.workspace.as_mut_ptr().cast(),
                points.as_ptr().cast(),
                labels.as_ptr(),
                &mut loss,
            )
        })?;
        Ok(loss)
    }

    /// The chance of each point that its label is 1.
    pub fn predict(&mut self, points: &[Point; BATCH]) -> Result<[f32; BATCH], Refused> {
        let mut chances = [0.0; BATCH];
        // SAFETY: as for training.
        accepted(unsafe {
            spirals_predict(
                self.state.as_mut_ptr().cast(),
                self.workspace.as_mut_ptr().cast(),
                points.as_ptr().cast(),
                chances.as_mut_ptr(),
            )
        })?;
        Ok(chances)
    }
}

fn blocks(bytes: usize) -> Box<[Block]> {
    vec![Block([0; ALIGNMENT]); (bytes + ALIGNMENT - 1) / ALIGNMENT].into_boxed_slice()
}
