//! Learns to tell two spirals apart, with a training step that graphc compiled.

#![deny(unsafe_op_in_unsafe_fn)]

mod spirals;
#[cfg(test)]
mod tests;

use spirals::{Point, Refused, Spirals, BATCH};
use std::f32::consts::{PI, TAU};

const STEPS: usize = 3000;

/// Points of two spirals, the second the first turned half around.
fn batch(seed: &mut u32) -> ([Point; BATCH], [f32; BATCH]) {
    let (mut points, mut labels) = ([[0.0; 2]; BATCH], [0.0; BATCH]);
    for (i, (point, label)) in points.iter_mut().zip(&mut labels).enumerate() {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let along = (*seed >> 8) as f32 / (1 << 24) as f32;
        *label = (i % 2) as f32;
        let angle = 1.5 * TAU * along + PI * *label;
        *point = [2.0 * along * angle.cos(), 2.0 * along * angle.sin()];
    }
    (points, labels)
}

/// How many new points a network takes for what they are.
fn right(spirals: &mut Spirals, seed: &mut u32) -> Result<usize, Refused> {
    let (points, labels) = batch(seed);
    let chances = spirals.predict(&points)?;
    Ok(chances.iter().zip(&labels).filter(|(c, l)| (**c > 0.5) == (**l > 0.5)).count())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut spirals, mut seed) = (Spirals::new()?, 1);
    for step in 1..=STEPS {
        let (points, labels) = batch(&mut seed);
        let loss = spirals.train(&points, &labels)?;
        if step % 1000 == 0 {
            println!("step {step}   loss {loss:.4}");
        }
    }
    println!("tells {} of {BATCH} new points apart", right(&mut spirals, &mut seed)?);
    let mut restored = Spirals::restore(spirals.bytes())?;
    println!("and {} of {BATCH} after it was restored", right(&mut restored, &mut seed)?);
    Ok(())
}
