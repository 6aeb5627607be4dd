#include "net/local_ca.h"

#include "net/endpoint.h"
#include "net/tls_impl.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>

namespace postern::net {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

constexpr long kClockSkewSeconds = 3600;

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

Certificate blank(const std::string& common_name, EVP_PKEY* key, std::chrono::hours lifetime) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1U);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kClockSkewSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), std::chrono::seconds(lifetime).count());
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  return certificate;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ',';
    text += (IpAddress::parse(name) ? "IP:" : "DNS:") + name;
  }
  return text;
}

template <class Write>
std::string pem(const Write& write) {
  const Bio memory(BIO_new(BIO_s_mem()));
  write(memory.get());
  char* data = nullptr;
  const long length = BIO_get_mem_data(memory.get(), &data);
  return {data, static_cast<std::size_t>(length)};
}

std::string certificate_pem(X509* certificate) {
  return pem([certificate](BIO* out) { PEM_write_bio_X509(out, certificate); });
}

}  // namespace

Result<LocalCa> make_local_ca(const std::vector<std::string>& names, std::chrono::hours lifetime) {
  const Key ca_key(EVP_EC_gen("P-256"));
  const Key key(EVP_EC_gen("P-256"));
  if (!ca_key || !key || names.empty()) return fail(Errc::Internal, "cannot make keys: " + openssl_error());

  const Certificate ca = blank("Postern local CA", ca_key.get(), lifetime);
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  bool good = add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE") &&
              add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") &&
              add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash") &&
              X509_sign(ca.get(), ca_key.get(), EVP_sha256()) > 0;

  const Certificate leaf = blank(names.front(), key.get(), lifetime);
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.get()));
  good = good && add_extension(leaf.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(leaf.get(), ca.get(), NID_key_usage, "critical,digitalSignature") &&
         add_extension(leaf.get(), ca.get(), NID_ext_key_usage, "serverAuth") &&
         add_extension(leaf.get(), ca.get(), NID_subject_alt_name, alternative_names(names)) &&
         X509_sign(leaf.get(), ca_key.get(), EVP_sha256()) > 0;
  if (!good) return fail(Errc::Internal, "cannot make certificates: " + openssl_error());

  LocalCa made;
  made.ca_certificate = certificate_pem(ca.get());
  made.certificate = certificate_pem(leaf.get()) + made.ca_certificate;
  made.key = pem([&key](BIO* out) {
    PEM_write_bio_PKCS8PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return made;
}

}  // namespace postern::net
