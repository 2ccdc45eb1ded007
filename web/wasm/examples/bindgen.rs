//! Makes the JavaScript module of a compiled caas-wasm: `bindgen <module.wasm> <folder>`. `.ci/web` runs it.

use std::{env, path::PathBuf};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: bindgen <module.wasm> <folder>");
    };
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
}
