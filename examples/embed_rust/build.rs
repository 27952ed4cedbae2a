//! Compiles the model for the processor that cargo compiles for, hands what its header says to the
//! program, and its object to the linker.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=spirals.py");
    println!("cargo:rerun-if-env-changed=SPIRALS_LIBRARY");
    println!("cargo:rerun-if-env-changed=PYTHON");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let library = match env::var_os("SPIRALS_LIBRARY") {
        Some(folder) => PathBuf::from(folder),
        None => compile(&out.join("spirals")),
    };
    println!("cargo:rerun-if-changed={}", library.display());
    let header = library.join("spirals.h");
    let text = fs::read_to_string(&header)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", header.display()));
    fs::write(out.join("numbers.rs"), numbers(&text)).expect("cargo gives a folder to write to");
    println!("cargo:rustc-link-arg={}", library.join("spirals.o").display());
}

/// Run `graphc build`. Names of platforms are Rust's and LLVM's alike.
fn compile(folder: &Path) -> PathBuf {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let target = env::var("TARGET").expect("cargo sets it");
    let status = Command::new(&python)
        .args(["-m", "graphc", "build", "spirals.py:train", "spirals.py:predict"])
        .args(["--name", "spirals", "--target", &target, "-o"])
        .arg(folder)
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => folder.into(),
        Ok(_) => panic!("`{python} -m graphc build` failed; pip install \"graphc[export]\""),
        Err(error) => panic!("{python} cannot be run: {error}; set PYTHON"),
    }
}

/// Constants of Rust from the lines of the header.
fn numbers(header: &str) -> String {
    let mut text = format!("const INTERFACE: u64 = {};\n", defined(header, "interface"));
    for name in ["state_bytes", "workspace_bytes", "alignment"] {
        let value = defined(header, name);
        text += &format!("const {}: usize = {value};\n", name.to_uppercase());
    }
    text + &format!("const POINTS: [usize; 2] = {};\n", shape(header, "points is f32"))
}

/// The number in a line such as `#define spirals_state_bytes ((size_t)7168)`.
fn defined<'a>(header: &'a str, name: &str) -> &'a str {
    let value = after(header, &format!("#define spirals_{name} ")).trim_end_matches(')');
    &value[value.rfind(['(', ')']).expect("parentheses") + 1..]
}

/// The shape in a line such as ` *   points is f32[64,2]`.
fn shape<'a>(header: &'a str, start: &str) -> &'a str {
    after(header, &format!(" *   {start}"))
}

fn after<'a>(header: &'a str, start: &str) -> &'a str {
    header
        .lines()
        .find_map(|line| line.strip_prefix(start))
        .unwrap_or_else(|| panic!("spirals.h has no line that begins with {start:?}"))
}
