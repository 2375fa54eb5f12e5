//! An S3 server in this process, for tests: `s3s-fs`, whose objects are files of a folder, and its buckets the folders
//! in it. It can be told to go wrong as stores and networks do: [`Faults`].
//!
//! `s3s-fs` looks whether an object is there and then puts one, so two that put at once may both succeed. A store must
//! not do that, and here they wait for each other.

use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};

/// Who may ask.
pub const ACCESS_KEY: &str = "quorate";
/// The proof of it.
pub const SECRET_KEY: &str = "only-for-tests";

/// What is done to an object behind the back of who has put it.
#[derive(Clone, Copy, Debug)]
pub enum Spoil {
    /// It is there, and the answer is an error.
    Answer,
    /// A byte in its middle is changed.
    Flip,
    /// It is lost.
    Lose,
}

/// What the server is told to do wrong.
#[derive(Debug, Default)]
pub struct Faults {
    /// Puts objects where there are some though it is asked not to.
    pub ignores_puts: AtomicBool,
    /// The same for uploads in parts, by which objects are copied.
    pub ignores_copies: AtomicBool,
    /// Objects whose keys end so are spoilt, each once.
    spoils: Mutex<Vec<(String, Spoil)>>,
    /// How many objects were spoilt.
    pub spoilt: AtomicU32,
}

impl Faults {
    /// The next object that is put under a key that ends so is spoilt.
    pub fn spoil(&self, key: &str, how: Spoil) {
        let mut spoils = self.spoils.lock().unwrap_or_else(PoisonError::into_inner);
        spoils.push((key.to_owned(), how));
    }
}

struct Store {
    files: FileSystem,
    root: PathBuf,
    faults: Arc<Faults>,
    /// Held from a look at what is there to a put.
    condition: tokio::sync::Mutex<()>,
}

impl Store {
    fn spoil(&self, bucket: &str, key: &str) -> S3Result<()> {
        let mut spoils = self.faults.spoils.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = spoils.iter().position(|(end, _)| key.ends_with(end)) else { return Ok(()) };
        let (_, how) = spoils.remove(at);
        self.faults.spoilt.fetch_add(1, Ordering::AcqRel);
        let path = self.root.join(bucket).join(key);
        let mut bytes = fs::read(&path).expect("it was put");
        match how {
            Spoil::Answer => return Err(s3_error!(InternalError)),
            Spoil::Lose => fs::remove_file(&path).expect("it was put"),
            Spoil::Flip => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x55;
                fs::write(&path, bytes).expect("it was put");
            }
        }
        Ok(())
    }
}

/// What is passed on as it is.
macro_rules! pass_on {
    ($($name:ident($input:ty) -> $output:ty;)*) => {
        #[async_trait::async_trait]
        impl S3 for Store {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.files.$name(request).await
            })*

            /// A folder of the server's is no object.
            async fn head_object(
                &self,
                request: S3Request<HeadObjectInput>,
            ) -> S3Result<S3Response<HeadObjectOutput>> {
                if self.root.join(&request.input.bucket).join(&request.input.key).is_dir() {
                    return Err(s3_error!(NoSuchKey));
                }
                self.files.head_object(request).await
            }

            async fn put_object(
                &self,
                mut request: S3Request<PutObjectInput>,
            ) -> S3Result<S3Response<PutObjectOutput>> {
                if self.faults.ignores_puts.load(Ordering::Acquire) {
                    request.input.if_none_match = None;
                }
                let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
                let _alone = self.condition.lock().await;
                let done = self.files.put_object(request).await?;
                self.spoil(&bucket, &key).map(|()| done)
            }

            async fn complete_multipart_upload(
                &self,
                mut request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                if self.faults.ignores_copies.load(Ordering::Acquire) {
                    request.input.if_none_match = None;
                }
                let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
                let _alone = self.condition.lock().await;
                let done = self.files.complete_multipart_upload(request).await?;
                self.spoil(&bucket, &key).map(|()| done)
            }
        }
    };
}

pass_on! {
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput;
    copy_object(CopyObjectInput) -> CopyObjectOutput;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    get_object(GetObjectInput) -> GetObjectOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    upload_part(UploadPartInput) -> UploadPartOutput;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
}

/// A server on loopback.
pub struct Server {
    runtime: Runtime,
    service: S3Service,
    address: SocketAddr,
    accepts: Option<JoinHandle<()>>,
    /// What it does wrong.
    pub faults: Arc<Faults>,
}

async fn serve(stream: TcpStream, service: S3Service) {
    let connection =
        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
    // Who asked may go at any time.
    let _ = connection.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
}

async fn accept(listener: TcpListener, service: S3Service) {
    // They end with this task.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, service.clone()));
    }
}

impl Server {
    /// Starts one over a folder, at a port or a free one.
    pub fn start(root: &Path, port: u16) -> Self {
        let files = FileSystem::new(root).expect("the folder is there");
        let faults = Arc::new(Faults::default());
        let condition = tokio::sync::Mutex::new(());
        let store = Store { files, root: root.to_owned(), faults: Arc::clone(&faults), condition };
        let mut builder = S3ServiceBuilder::new(store);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("there are threads");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Self { runtime, service: builder.build(), address, accepts: None, faults };
        server.up();
        server
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All connections end, and there are none any more.
    pub fn down(&mut self) {
        if let Some(accepts) = self.accepts.take() {
            accepts.abort();
            let _ = self.runtime.block_on(accepts);
        }
    }

    /// It is there again, at the same address.
    pub fn up(&mut self) {
        let service = self.service.clone();
        let listener = self.runtime.block_on(async {
            loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => break listener,
                    // What was there is about to end.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        self.address = listener.local_addr().expect("it is bound");
        self.accepts = Some(self.runtime.spawn(accept(listener, service)));
    }
}
