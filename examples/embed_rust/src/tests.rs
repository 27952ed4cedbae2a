use crate::spirals::Spirals;
use crate::{batch, right};

#[test]
fn learning_lowers_the_loss() {
    let (mut spirals, mut seed) = (Spirals::new().unwrap(), 1);
    let (points, labels) = batch(&mut seed);
    let first = spirals.train(&points, &labels).unwrap();
    let last = (0..300).map(|_| spirals.train(&points, &labels).unwrap()).last().unwrap();
    assert!(last < 0.8 * first);
}

#[test]
fn networks_do_not_disturb_each_other() {
    let learn = || {
        let (mut spirals, mut seed) = (Spirals::new().unwrap(), 1);
        for _ in 0..100 {
            let (points, labels) = batch(&mut seed);
            spirals.train(&points, &labels).unwrap();
        }
        spirals.bytes().to_vec()
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(learn)).collect();
    let learned = learn();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == learned));
}

#[test]
fn what_was_learned_is_restored() {
    let (mut spirals, mut seed) = (Spirals::new().unwrap(), 1);
    let (points, labels) = batch(&mut seed);
    spirals.train(&points, &labels).unwrap();
    let mut restored = Spirals::restore(spirals.bytes()).unwrap();
    assert_eq!(spirals.predict(&points), restored.predict(&points));
    assert_eq!(right(&mut spirals, &mut seed.clone()), right(&mut restored, &mut seed));
}

#[test]
fn other_bytes_are_refused() {
    let bytes = Spirals::new().unwrap().bytes().to_vec();
    let longer = [&bytes[..], &[0]].concat();
    for other in [&[][..], &bytes[1..], &bytes[..bytes.len() - 1], &longer[..]] {
        let refused = Spirals::restore(other).err().expect("a state of another size");
        assert!(refused.to_string().contains("another model"));
    }
}
