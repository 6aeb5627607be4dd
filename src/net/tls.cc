#include "net/tls.h"

#include "net/endpoint.h"
#include "net/tls_files.h"
#include "net/tls_impl.h"
#include "net/tls_memory.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace postern::net {
namespace {

/// Before main(): once OpenSSL has allocated anything it takes no other memory.
[[maybe_unused]] const bool kOwnBufferMemory = use_tls_buffer_memory();

constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!SHA1:!AESCCM";
/// AES-128 first, which everybody must have (RFC 8446 §9.1): the SHA-256 of its key schedule is the cheaper one.
constexpr const char* kTls13Suites =
    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr auto kTicketKeyLife = std::chrono::hours{12};

struct CtxDelete {
  void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
};
using Ctx = std::unique_ptr<SSL_CTX, CtxDelete>;

/// Keys that seal session tickets (RFC 5077 §4); the previous one still opens what it sealed.
class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
    std::chrono::steady_clock::time_point made;
  };

  Key current() {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (!keys_[0] || now - keys_[0]->made > kTicketKeyLife) {
      Key fresh{};
      RAND_bytes(fresh.name.data(), static_cast<int>(fresh.name.size()));
      RAND_bytes(fresh.cipher.data(), static_cast<int>(fresh.cipher.size()));
      RAND_bytes(fresh.mac.data(), static_cast<int>(fresh.mac.size()));
      fresh.made = now;
      keys_[1] = keys_[0];
      keys_[0] = fresh;
    }
    return *keys_[0];
  }

  std::optional<Key> find(const unsigned char* name) {
    const Key now = current();
    if (std::memcmp(now.name.data(), name, now.name.size()) == 0) return now;
    const std::lock_guard lock(mutex_);
    if (keys_[1] && std::memcmp(keys_[1]->name.data(), name, keys_[1]->name.size()) == 0) return keys_[1];
    return std::nullopt;
  }

 private:
  std::mutex mutex_;
  std::array<std::optional<Key>, 2> keys_;
};

bool set_mac_key(EVP_MAC_CTX* mac, TicketKeys::Key& key) {
  std::array<char, 7> digest{"SHA256"};
  const std::array<OSSL_PARAM, 3> params{
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params.data()) == 1;
}

int ticket_key_callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int sealing) {
  auto* keys = static_cast<TicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  static EVP_CIPHER* const kAes = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  if (sealing != 0) {
    TicketKeys::Key key = keys->current();
    std::memcpy(name, key.name.data(), key.name.size());
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(kAes)) != 1) return -1;
    if (EVP_EncryptInit_ex2(cipher, kAes, key.cipher.data(), iv, nullptr) != 1) return -1;
    return set_mac_key(mac, key) ? 1 : -1;
  }
  std::optional<TicketKeys::Key> key = keys->find(name);
  if (!key) return 0;  // too old: full handshake
  if (EVP_DecryptInit_ex2(cipher, kAes, key->cipher.data(), iv, nullptr) != 1) return -1;
  return set_mac_key(mac, *key) ? 1 : -1;
}

std::vector<std::string> dns_names(X509* certificate) {
  std::vector<std::string> names;
  auto* san =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(san); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(san, i);
    if (name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.dNSName;
    names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(san);
  return names;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

TimePoint not_after(X509* certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return TimePoint{};
  return std::chrono::time_point_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::from_time_t(timegm(&parts)));
}

/// Enough of a file's state to notice that somebody replaced it.
struct FileState {
  ino_t inode = 0;
  off_t size = 0;
  timespec changed{};
  bool operator==(const FileState& other) const {
    return inode == other.inode && size == other.size && changed.tv_sec == other.changed.tv_sec &&
           changed.tv_nsec == other.changed.tv_nsec;
  }
};

FileState state_of(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {found.st_ino, found.st_size, found.st_ctim};
}

/// All certificates of one load; connections made from it keep it alive.
struct Generation {
  std::vector<Ctx> contexts;
  std::unordered_map<std::string, SSL_CTX*> by_name;
  std::vector<FileState> states;
  TimePoint expires = TimePoint::max();
};

std::vector<FileState> states_of(const std::vector<CertificateFiles>& files) {
  std::vector<FileState> states;
  for (const CertificateFiles& pair : files) {
    states.push_back(state_of(pair.certificate));
    states.push_back(state_of(pair.key));
  }
  return states;
}

int choose_certificate(SSL* ssl, int* /*alert*/, void* generation) {
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (asked == nullptr) return SSL_TLSEXT_ERR_NOACK;
  const auto& by_name = static_cast<Generation*>(generation)->by_name;
  const std::string name = lower(asked);
  auto found = by_name.find(name);
  if (found == by_name.end()) {
    if (const std::size_t dot = name.find('.'); dot != std::string::npos)
      found = by_name.find("*" + name.substr(dot));
  }
  if (found != by_name.end()) SSL_set_SSL_CTX(ssl, found->second);
  // An unknown name gets the default certificate: the client decides whether it is good enough.
  return SSL_TLSEXT_ERR_OK;
}

Result<Ctx> load_context(const CertificateFiles& files, TicketKeys& tickets, Generation& generation) {
  Ctx ctx(SSL_CTX_new(TLS_server_method()));
  set_tls_defaults(ctx.get());
  POSTERN_CHECK(use_certificate_files(ctx.get(), files));
  SSL_CTX_set_options(ctx.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // What is sent is what the file holds; else OpenSSL would look for a chain at every handshake.
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  static constexpr std::array<unsigned char, 7> kContextId{'p', 'o', 's', 't', 'e', 'r', 'n'};
  SSL_CTX_set_session_id_context(ctx.get(), kContextId.data(), kContextId.size());
  SSL_CTX_set_num_tickets(ctx.get(), 1);
  SSL_CTX_set_max_early_data(ctx.get(), 0);
  SSL_CTX_set_app_data(ctx.get(), &tickets);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx.get(), ticket_key_callback);
  // Written out, as the macros for these cast in the old style.
  SSL_CTX_callback_ctrl(ctx.get(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(choose_certificate));
  SSL_CTX_set_tlsext_servername_arg(ctx.get(), &generation);
  X509* const leaf = SSL_CTX_get0_certificate(ctx.get());
  for (const std::string& name : dns_names(leaf)) generation.by_name.emplace(lower(name), ctx.get());
  generation.expires = std::min(generation.expires, not_after(leaf));
  return ctx;
}

Result<> ask_for_certificate(SSL_CTX* ctx, const std::string& authorities) {
  ERR_clear_error();
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(authorities.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(ctx, authorities.c_str()) != 1)
    return fail(Errc::NotFound, "cannot load CA certificates from " + authorities + ": " + openssl_error());
  SSL_CTX_set_client_CA_list(ctx, names);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
  // A session of a listener that did not ask must not be resumed here.
  static constexpr std::array<unsigned char, 12> kContextId{'p', 'o', 's', 't', 'e', 'r',
                                                            'n', '+', 'c', 'e', 'r', 't'};
  SSL_CTX_set_session_id_context(ctx, kContextId.data(), kContextId.size());
  return {};
}

}  // namespace

void set_tls_defaults(SSL_CTX* ctx) {
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);  // RFC 8996
  SSL_CTX_set_cipher_list(ctx, kTls12Ciphers);
  SSL_CTX_set_ciphersuites(ctx, kTls13Suites);
  SSL_CTX_set1_groups_list(ctx, kGroups);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(
      ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx, 1);  // one read(2) a record instead of two
}

std::string openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "error " + std::to_string(code) : reason;
}

struct TlsServer::Impl {
  std::vector<CertificateFiles> files;
  std::string client_ca;
  std::shared_ptr<TicketKeys> tickets = std::make_shared<TicketKeys>();
  mutable std::mutex mutex;
  std::shared_ptr<Generation> generation;

  Result<std::shared_ptr<Generation>> load(const std::vector<CertificateFiles>& pairs) const {
    auto fresh = std::make_shared<Generation>();
    fresh->states = states_of(pairs);
    for (const CertificateFiles& pair : pairs) {
      POSTERN_TRY(Ctx ctx, load_context(pair, *tickets, *fresh));
      if (!client_ca.empty()) POSTERN_CHECK(ask_for_certificate(ctx.get(), client_ca));
      fresh->contexts.push_back(std::move(ctx));
    }
    return fresh;
  }
};

TlsServer::TlsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsServer::~TlsServer() = default;

Result<std::shared_ptr<TlsServer>> TlsServer::load(std::vector<CertificateFiles> files,
                                                   const std::string& client_ca) {
  if (files.empty()) return fail(Errc::NotFound, "no certificate is configured");
  auto impl = std::make_unique<Impl>();
  impl->files = std::move(files);
  impl->client_ca = client_ca;
  POSTERN_TRY(impl->generation, impl->load(impl->files));
  return std::make_shared<TlsServer>(std::move(impl));
}

Result<bool> TlsServer::reload_if_changed() {
  std::vector<FileState> known;
  {
    const std::lock_guard lock(impl_->mutex);
    known = impl_->generation->states;
  }
  if (states_of(impl_->files) == known) return false;
  POSTERN_TRY(auto fresh, impl_->load(impl_->files));
  const std::lock_guard lock(impl_->mutex);
  impl_->generation = std::move(fresh);
  return true;
}

Result<std::function<void()>> TlsServer::prepare(std::vector<CertificateFiles> files) {
  if (files.empty()) return fail(Errc::NotFound, "no certificate is configured");
  POSTERN_TRY(std::shared_ptr<Generation> fresh, impl_->load(files));
  return std::function<void()>([this, fresh = std::move(fresh), files = std::move(files)] {
    impl_->files = files;
    const std::lock_guard lock(impl_->mutex);
    impl_->generation = fresh;
  });
}

TimePoint TlsServer::expires_at() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->generation->expires;
}

Result<TlsSession> tls_server_session(TlsServer& server) {
  TlsServer::Impl& impl = server.impl();
  std::shared_ptr<Generation> generation;
  {
    const std::lock_guard lock(impl.mutex);
    generation = impl.generation;
  }
  SSL* ssl = SSL_new(generation->contexts.front().get());
  if (ssl == nullptr) return fail(Errc::Exhausted, "no memory for a TLS session");
  struct Owner {
    std::shared_ptr<Generation> generation;
    std::shared_ptr<TicketKeys> tickets;
  };
  return TlsSession{ssl, std::make_shared<Owner>(Owner{std::move(generation), impl.tickets})};
}

}  // namespace postern::net
