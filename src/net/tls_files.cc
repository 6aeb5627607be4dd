#include "net/tls_files.h"

#include "net/tls_impl.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509err.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace postern::net {
namespace {

constexpr int kLeastRsaBits = 2048;  // RFC 9325 §4.5

/// A file as an error names it: with the option that says so, where there is one.
std::string named(const std::string& from, const std::string& path) {
  return from.empty() ? path : from + ": " + path;
}

Result<std::string> text_of(const std::string& from, const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode))
    return fail(Errc::NotFound, named(from, path) + " is a directory; what is wanted is a file in it");
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file) return fail(Errc::NotFound, named(from, path) + " cannot be read: " + std::strerror(errno));
  return text.str();
}

bool has_block(const std::string& pem, std::string_view label) {  // RFC 7468 §2
  for (std::size_t at = pem.find("-----BEGIN "); at != std::string::npos;
       at = pem.find("-----BEGIN ", at + 1)) {
    const std::string_view line = std::string_view(pem).substr(at, pem.find_first_of("\r\n", at) - at);
    if (line.find(label) != std::string_view::npos) return true;
  }
  return false;
}

std::string why_no_certificate(const std::string& pem) {
  const std::string reason = openssl_error();
  if (has_block(pem, "CERTIFICATE")) return " holds a certificate that cannot be used: " + reason;
  if (has_block(pem, "PRIVATE KEY"))
    return " holds a private key; here belongs the certificate with its chain";
  return " holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)";
}

std::string why_no_key(const std::string& pem, const std::string& certificate) {
  const unsigned long code = ERR_peek_last_error();
  const bool other =
      ERR_GET_LIB(code) == ERR_LIB_X509 && (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
                                            ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
  const std::string reason = openssl_error();
  if (other) return " is not the key that the certificate in " + certificate + " was made for";
  if (has_block(pem, "ENCRYPTED") || pem.find("Proc-Type: 4,ENCRYPTED") != std::string::npos)
    return " is encrypted with a password, which nobody is there to type; openssl pkey -in FILE -out FILE "
           "takes it off";
  if (has_block(pem, "PRIVATE KEY")) return " holds a private key that cannot be used: " + reason;
  if (has_block(pem, "CERTIFICATE")) return " holds a certificate; here belongs its private key";
  return " holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)";
}

}  // namespace

Result<> use_certificate_files(SSL_CTX* ctx, const CertificateFiles& files) {
  POSTERN_TRY(const std::string certificate, text_of(files.certificate_from, files.certificate));
  POSTERN_TRY(const std::string key, text_of(files.key_from, files.key));
  // Nobody is there to type a password: an encrypted key is an error, not a prompt on the terminal.
  SSL_CTX_set_default_passwd_cb(ctx, [](char*, int, int, void*) { return -1; });
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(ctx, files.certificate.c_str()) != 1) {
    return fail(Errc::Malformed,
                named(files.certificate_from, files.certificate) + why_no_certificate(certificate));
  }
  const std::string named_key = named(files.key_from, files.key);
  if (SSL_CTX_use_PrivateKey_file(ctx, files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(ctx) != 1) {
    return fail(Errc::Malformed, named_key + why_no_key(key, files.certificate));
  }
  EVP_PKEY* const used = SSL_CTX_get0_privatekey(ctx);
  if (EVP_PKEY_get_base_id(used) == EVP_PKEY_RSA && EVP_PKEY_get_bits(used) < kLeastRsaBits)
    return fail(Errc::Malformed, named_key + ": an RSA key needs at least 2048 bits (RFC 9325)");
  return {};
}

}  // namespace postern::net
