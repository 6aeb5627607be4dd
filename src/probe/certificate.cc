#include "probe/certificate.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>

namespace postern::probe {
namespace {

constexpr int kLeastRsaBits = 2048;
constexpr int kLeastEcBits = 224;

std::string one_line(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

TimePoint time_of(const ASN1_TIME* when) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(when, &parts) != 1) return TimePoint{};
  return std::chrono::time_point_cast<TimePoint::duration>(
      std::chrono::system_clock::from_time_t(timegm(&parts)));
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> out;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    const ASN1_STRING* text = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const std::string octets(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                             static_cast<std::size_t>(ASN1_STRING_length(text)));
    if (name->type == GEN_DNS) {
      out.push_back(octets);
    } else if (const auto ip = net::IpAddress::from_octets(octets)) {
      out.push_back(ip->text());
    }
  }
  return out;
}

std::string hex_digest(const unsigned char* data, std::size_t size) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(data, size, digest.data());
  std::string out;
  constexpr const char* kHex = "0123456789abcdef";
  for (const unsigned char octet : digest) {
    out += kHex[octet >> 4U];
    out += kHex[octet & 0x0fU];
  }
  return out;
}

std::string key_text(const EVP_PKEY* key) {
  const int bits = EVP_PKEY_get_bits(key);
  std::array<char, 64> group{};
  std::size_t length = 0;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
      EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1) {
    return std::string("EC ") + group.data();
  }
  const char* const type = OBJ_nid2sn(EVP_PKEY_get_base_id(key));
  const std::string name =
      EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? "RSA" : (type != nullptr ? type : "key");
  return name + ' ' + std::to_string(bits);
}

std::string weakness_of(X509* certificate, const EVP_PKEY* key, bool self_issued) {
  const int bits = EVP_PKEY_get_bits(key);
  const int type = EVP_PKEY_get_base_id(key);
  if ((type == EVP_PKEY_RSA || type == EVP_PKEY_DSA) && bits < kLeastRsaBits) {
    return std::string(type == EVP_PKEY_RSA ? "RSA" : "DSA") + " key of " + std::to_string(bits) + " bits";
  }
  if (type == EVP_PKEY_EC && bits < kLeastEcBits) return "EC key of " + std::to_string(bits) + " bits";
  int digest = NID_undef;
  if (self_issued || X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) return {};
  if (digest == NID_md5 || digest == NID_sha1 || digest == NID_md5_sha1) {
    return std::string("signed with ") + OBJ_nid2sn(digest);
  }
  return {};
}

}  // namespace

CertificateSeen describe(x509_st* certificate) {
  CertificateSeen seen;
  seen.subject = one_line(X509_get_subject_name(certificate));
  seen.issuer = one_line(X509_get_issuer_name(certificate));
  seen.names = names_of(certificate);
  seen.not_before = time_of(X509_get0_notBefore(certificate));
  seen.not_after = time_of(X509_get0_notAfter(certificate));
  seen.signature = OBJ_nid2ln(X509_get_signature_nid(certificate));
  seen.self_issued =
      X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
  if (const EVP_PKEY* key = X509_get0_pubkey(certificate); key != nullptr) {
    seen.key = key_text(key);
    seen.weakness = weakness_of(certificate, key, seen.self_issued);
  }
  unsigned char* der = nullptr;
  if (const int size = i2d_X509(certificate, &der); size > 0) {
    seen.der.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    seen.sha256 = hex_digest(der, static_cast<std::size_t>(size));
  }
  OPENSSL_free(der);
  unsigned char* spki = nullptr;
  if (const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki); size > 0) {
    seen.spki.assign(reinterpret_cast<const char*>(spki), static_cast<std::size_t>(size));
  }
  OPENSSL_free(spki);
  return seen;
}

Result<CertificateSeen> read_certificate(const std::string& path) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(path.c_str(), "r"), BIO_free);
  if (!file) return fail(Errc::NotFound, path + ": cannot be read");
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), X509_free);
  if (!certificate) return fail(Errc::Malformed, path + ": there is no certificate in it");
  return describe(certificate.get());
}

bool tlsa_matches(const net::TlsaRecord& record, const std::vector<CertificateSeen>& chain) {
  constexpr int kTrustAnchor = 2;
  constexpr int kEndEntity = 3;
  if (record.usage != kTrustAnchor && record.usage != kEndEntity) return false;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    if (record.usage == kEndEntity && i > 0) break;
    const std::string& data = record.selector == 0 ? chain[i].der : chain[i].spki;
    const auto* octets = reinterpret_cast<const unsigned char*>(data.data());
    std::string wanted = data;
    if (record.matching == 1) {
      wanted.assign(SHA256_DIGEST_LENGTH, '\0');
      SHA256(octets, data.size(), reinterpret_cast<unsigned char*>(wanted.data()));
    } else if (record.matching == 2) {
      wanted.assign(SHA512_DIGEST_LENGTH, '\0');
      SHA512(octets, data.size(), reinterpret_cast<unsigned char*>(wanted.data()));
    } else if (record.matching != 0) {
      continue;
    }
    if (wanted == record.data) return true;
  }
  return false;
}

}  // namespace postern::probe
