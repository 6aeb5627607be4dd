#pragma once

#include "base/options.h"
#include "dns/resolver.h"
#include "net/loop.h"

#include <chrono>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace postern::dns {

/// The table [dns].
struct Options {
  std::vector<std::string> servers;
  bool dnssec = true;
  std::string trust_anchor;
  std::chrono::seconds timeout{20};

  /// Malformed: a server that is neither an address nor "system".
  [[nodiscard]] Result<> validate() const;

  static auto fields() {
    using std::chrono::seconds;
    return std::tuple{
        field("servers", &Options::servers, Reload::Restart,
              "Resolvers to ask, as \"192.0.2.1\", \"192.0.2.1:53\" or \"[2001:db8::1]:53\"; \"system\": "
              "those of /etc/resolv.conf. "
              "Empty: resolve from the root, which needs nobody's trust."),
        field("dnssec", &Options::dnssec, Reload::Restart,
              "Validate answers. Turn it off only when the servers strip signatures: every look-up would "
              "fail."),
        field("trust_anchor", &Options::trust_anchor, Reload::Restart,
              "File with the root's keys; empty: the one of the dns-root-data package."),
        field("timeout", &Options::timeout, seconds{1}, seconds{120}, Reload::Restart,
              "When a look-up without answer counts as failed; the mail is tried again later."),
    };
  }
};

/// Look-ups by libunbound, with its cache and DNSSEC validation.
///
/// Owns     one libunbound context with one thread of its own, started by the first look-up.
/// Threads  its loop's thread. May be destroyed while look-ups wait: they end by their timeout. Destroy it
/// before the loop. Limits   memory: libunbound's caches, about 8 MiB when full.
class UnboundResolver final : public Resolver {
 public:
  struct Context;
  /// Errors: Malformed (a server), NotFound (a trust anchor that was asked for), Unavailable (libunbound).
  [[nodiscard]] static Result<std::unique_ptr<UnboundResolver>> create(net::Loop& loop,
                                                                       const Options& options);
  explicit UnboundResolver(std::shared_ptr<Context> context);
  ~UnboundResolver() override;

  net::Task<Result<MxAnswer>> mx(std::string domain) override;
  net::Task<Result<AddressAnswer>> addresses(std::string host) override;
  net::Task<Result<TlsaAnswer>> tlsa(std::string name) override;
  net::Task<Result<std::vector<std::string>>> txt(std::string name) override;
  net::Task<Result<bool>> secure_alias(std::string name) override;

 private:
  std::shared_ptr<Context> context_;
};

}  // namespace postern::dns
