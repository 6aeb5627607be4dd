#pragma once

#include "delivery/manners.h"
#include "delivery/target.h"
#include "dns/resolver.h"
#include "net/task.h"
#include "net/tls.h"
#include "smtp/envelope.h"
#include "tlspolicy/mta_sts.h"
#include "tlspolicy/session.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postern::delivery {

struct HostList;
struct Map;
struct NextHop;

/// What a destination as a whole asks for, beside the configuration. Empty: nothing.
struct DestinationTls {
  std::string
      domain;  ///< whose wishes these are, in A-labels; "" : of nobody, so domains may share connections
  std::string canonical;  ///< what the domain is an alias of, or the domain
  bool dane = false;      ///< its hosts' names are vouched for by DNSSEC: ask for their TLSA records
  std::shared_ptr<const tlspolicy::StsFinding>
      sts;                ///< with a policy that is enforced or tested, or a problem
  bool reported = false;  ///< it wants to hear how sessions went (RFC 8460)

  /// The same for wishes that are the same: what connections by them must not be mixed up with others'. "": none.
  [[nodiscard]] std::string key() const;
  /// The MTA-STS policy that is enforced or tested; nullptr: none.
  [[nodiscard]] const tlspolicy::StsPolicy* sts_policy() const {
    return sts && sts->policy && sts->policy->mode != tlspolicy::StsPolicy::Mode::None ? &*sts->policy
                                                                                       : nullptr;
  }
};

/// What the sender of a message says about TLS on its way (RFC 8689).
enum class TlsWish : std::uint8_t {
  OfDomain,   ///< nothing: the wishes of the recipients' domains count
  Waived,     ///< "TLS-Required: No" in its header (§3): it rather arrives in the clear than not at all
  Protected,  ///< REQUIRETLS (§4.2.1): only to a verified host that keeps it, or back to the sender
};
/// What the header of a message says, of which `content` is a beginning, and the parameter REQUIRETLS, which
/// outweighs it. A report (from <>) is not held up by REQUIRETLS (§5).
[[nodiscard]] TlsWish tls_wish(const smtp::Envelope& envelope, std::string_view content);

/// What TLS with one host must achieve: decided before the connection is opened, because a connection that came
/// about otherwise must not carry mail.
struct TlsDecision {
  TlsPolicy policy = TlsPolicy::Opportunistic;
  std::shared_ptr<net::TlsClient> client;  ///< nullptr only with None
  std::optional<net::TlsPeer> peer;        ///< whom to expect; nothing: the host by its name
  /// For the trace: "dane", "mta-sts enforce", "delivery.tls", "route partners".
  std::string reason;
  tlspolicy::AppliedPolicy applied;  ///< for reports to the domain
  /// An authority beside plain DNS says that this host is a mail host of the recipient's domain: DNSSEC or an
  /// enforced MTA-STS policy (RFC 8689 §4.2.1). Whether the host then proved its name is in
  /// net::TlsInfo::verified_by.
  bool host_vouched_for = false;
};

/// Decides for each destination and host. The configuration's `none` and a route's own `tls` are the last word;
/// otherwise DANE goes before MTA-STS (RFC 8461 §2), and both before delivery.tls.
///
/// Threads  one loop's thread.
class TlsPolicies {
 public:
  /// All borrowed. Without `mta_sts` there are no MTA-STS policies.
  /// With `reports` domains are asked whether they want to hear how sessions went.
  TlsPolicies(net::Loop& loop, dns::Resolver& resolver, const Map& map, tlspolicy::MtaSts* mta_sts,
              bool reports = false)
      : loop_(loop), resolver_(resolver), map_(map), mta_sts_(mta_sts), reports_(reports) {}

  /// What `domain`, whose mail hosts are `hosts`, asks for. `tls`: what a route says, if it says something.
  [[nodiscard]] net::Task<DestinationTls> of_destination(std::string domain, const HostList& hosts,
                                                         std::optional<TlsPolicy> tls);
  /// For one host of a next hop. Errors mean that the host is not to be used now. Unavailable: DNS does not say
  /// whether it has TLSA records. Denied: the destination's policy excludes it, or it has no TLSA records where the
  /// configuration insists.
  [[nodiscard]] net::Task<Result<TlsDecision>> of_host(const NextHop& hop, const Target& target);

 private:
  [[nodiscard]] net::Task<Result<std::optional<TlsDecision>>> by_dane(const NextHop& hop,
                                                                      const Target& target);
  [[nodiscard]] net::Task<Result<TlsDecision>> by_wishes(const NextHop& hop, const Target& target);
  [[nodiscard]] Result<TlsDecision> protect(const NextHop& hop, TlsDecision decision) const;

  net::Loop& loop_;
  dns::Resolver& resolver_;
  const Map& map_;
  tlspolicy::MtaSts* mta_sts_;
  bool reports_;
};

}  // namespace postern::delivery
