//! Puts the seeds into `corpus/`, each under a name that its bytes make.

fn main() -> std::io::Result<()> {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, bytes) in fuzz::seeds::seeds() {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        let (low, high) = (fuzz::wal::crc32c(0, &bytes), fuzz::wal::crc32c(1, &bytes));
        std::fs::write(folder.join(format!("{low:08x}{high:08x}")), bytes)?;
    }
    Ok(())
}
