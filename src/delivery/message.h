#pragma once

#include "delivery/fair_queue.h"
#include "delivery/outcome.h"
#include "delivery/tls_decision.h"
#include "queue/queue.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postern::delivery {

/// The next hop of an attempt, as history and reports show it. Shared by all messages of one connection.
struct Peer {
  std::string host;
  std::string ip;
  std::string
      security;  ///< "TLSv1.3 TLS_AES_256_GCM_SHA384 unverified (delivery.tls)", "cleartext (...)", or empty
                 ///< when no session came about
  bool reports = false;     ///< it offers DSN, so that success is its to report (RFC 3461 §5.2.1)
  bool keeps_time = false;  ///< it offers DELIVERBY (RFC 2852)
  std::string route = {};   ///< the route that led there; empty: the default
  /// What addresses came to that were tried in the same attempt and are not this one, in order; empty: none.
  std::string others = {};
};

/// What one attempt came to for one recipient.
struct Attempt {
  Outcome outcome;
  std::shared_ptr<const Peer> peer;  ///< nullptr: no connection was made
  std::size_t members = 0;           ///< an alias: to so many addresses it was sent on
};

/// A message that is being delivered: leased from the queue, on one loop, until all its jobs are back.
struct ActiveMessage {
  queue::Lease lease;
  /// nullptr: it is read from the queue piece by piece.
  std::shared_ptr<const std::string> content;
  std::string signature;          ///< "DKIM-Signature: ...\r\n"; empty: not signed yet, or never
  bool signature_is_new = false;  ///< made in this attempt, so the queue has to keep it
  std::vector<std::optional<Attempt>> attempts;  ///< one per leased recipient; nullopt: not tried
  std::size_t open_jobs = 0;
  Urgency urgency = Urgency::Prompt;
  TlsWish wish = TlsWish::OfDomain;
};

/// One transaction to be made: some recipients of one message that share a destination.
struct Job {
  std::shared_ptr<ActiveMessage> message;
  std::vector<std::uint32_t> recipients;  ///< positions in message->lease.envelope.recipients
};

}  // namespace postern::delivery
