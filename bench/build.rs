//! Finds sofia-sip; without it the run leaves it out and says so.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(sofia)");
    if pkg_config::probe_library("sofia-sip-ua").is_ok() {
        println!("cargo::rustc-cfg=sofia");
    }
}
