//! Hands the numbers of the header to the program, and the object to the linker.

use std::{env, fs, path::Path};

/// The number in a line such as `#define spirals_state_bytes ((size_t)7168)`.
fn number<'a>(header: &'a str, name: &str) -> &'a str {
    let start = format!("#define spirals_{name} ");
    let line = header.lines().find(|line| line.starts_with(&start));
    let value = line.expect("a number that the header has").trim_end_matches(')');
    &value[value.rfind(['(', ')']).expect("parentheses") + 1..]
}

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("build");
    let header = fs::read_to_string(folder.join("spirals.h")).expect("run `graphc build` first");
    let text = format!(
        "const INTERFACE: u64 = {};\nconst STATE: usize = {};\nconst WORKSPACE: usize = {};\n",
        number(&header, "interface"),
        number(&header, "state_bytes"),
        number(&header, "workspace_bytes"),
    );
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("numbers.rs"), text).unwrap();
    println!("cargo:rustc-link-arg={}", folder.join("spirals.o").display());
    println!("cargo:rerun-if-changed=build");
}
