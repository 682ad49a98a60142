//! The authorities that certificates are checked against: the machine's own, or those of a PEM file.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The authorities of a PEM file; the machine's where there is none.
///
/// # Errors
/// Where there are no authorities to trust.
pub fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let (place, certificates) = match ca {
        Some(path) => (format!("`{}`", path.display()), read(path)?),
        None => ("the machine's store".to_owned(), rustls_native_certs::load_native_certs().certs),
    };
    let (added, _) = roots.add_parsable_certificates(certificates);
    match added {
        0 => Err(format!("there is no certificate of an authority in {place}")),
        _ => Ok(roots),
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    certificates.map_err(|fault| format!("read the certificates of `{}`: {fault}", path.display()))
}
