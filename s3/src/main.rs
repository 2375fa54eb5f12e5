//! An S3 server over a folder, to try jobs with: `s3 FOLDER PORT`. Prints what to put into the environment.

use s3::{ACCESS_KEY, SECRET_KEY, Server};
use std::path::Path;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, port] = &words[..] else {
        eprintln!("s3 FOLDER PORT: the folders in FOLDER are the buckets");
        std::process::exit(2);
    };
    let Ok(port) = port.parse() else {
        eprintln!("s3: {port} is no port");
        std::process::exit(2);
    };
    let server = Server::start(Path::new(folder), port);
    println!("export AWS_ENDPOINT_URL=http://{} AWS_ALLOW_HTTP=true", server.address());
    println!("export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}");
    loop {
        std::thread::park();
    }
}
