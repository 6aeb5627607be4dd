#pragma once

#include "probe/verdict.h"

#include <algorithm>
#include <string>
#include <utility>

namespace postern::probe {

/// Collects findings in the order of the steps. Only for judge_endpoint(); its members are in judge_reach.cc (TCP and
/// banner), judge_tls.cc and judge_dialogue.cc.
class EndpointJudge {
 public:
  EndpointJudge(const EndpointSeen& seen, const std::vector<EndpointSeen>& others,
                const JudgeOptions& options)
      : seen_(seen), others_(others), options_(options) {}

  [[nodiscard]] EndpointVerdict run() {
    if (seen_.tcp.outcome != TcpOutcome::Open) {
      tcp();
    } else {
      conversation();
    }
    return std::move(out_);
  }

 private:
  void conversation() {
    if (seen_.implicit_tls && !tls()) return;
    if (!banner() || !ehlo()) return;
    if (!seen_.implicit_tls) {
      if (!starttls() || !tls()) {
        clear_auth();
        relay();
        login();
        return;
      }
    }
    certificate();
    clear_auth();
    dane();
    after_tls();
    relay();
    login();
  }

  void add(Severity severity, Failure failure, Step step, std::string what, std::string cause = {},
           std::string next = {}) {
    out_.findings.push_back({severity, failure, step, std::move(what), std::move(cause), std::move(next)});
  }
  void fault(Failure failure, Step step, std::string what, std::string cause, std::string next) {
    add(Severity::Fault, failure, step, std::move(what), std::move(cause), std::move(next));
  }
  /// Servers that deliver to port 25 take any certificate, or none (RFC 7435); what they do not mind is a warning.
  void tls_fault(Failure failure, Step step, std::string what, std::string cause, std::string next) {
    if (!is_relay_port(seen_.port))
      return fault(failure, step, std::move(what), std::move(cause), std::move(next));
    add(Severity::Warning, Failure::None, step, std::move(what), std::move(cause), std::move(next));
  }
  [[nodiscard]] std::string where() const { return net::Endpoint{seen_.ip, seen_.port}.text(); }
  [[nodiscard]] bool other_port_open() const {
    return std::any_of(others_.begin(), others_.end(), [&](const EndpointSeen& other) {
      return other.ip == seen_.ip && other.port != seen_.port && other.tcp.outcome == TcpOutcome::Open;
    });
  }
  [[nodiscard]] bool other_port_answers() const {
    return std::any_of(others_.begin(), others_.end(), [&](const EndpointSeen& other) {
      return other.ip == seen_.ip && other.port != seen_.port && other.tcp.outcome != TcpOutcome::Silent;
    });
  }
  [[nodiscard]] bool open_on_other_family() const {
    return std::any_of(others_.begin(), others_.end(), [&](const EndpointSeen& other) {
      return other.ip.is_v6() != seen_.ip.is_v6() && other.port == seen_.port &&
             other.tcp.outcome == TcpOutcome::Open;
    });
  }

  void tcp();
  void private_address();
  void silent();
  void refused();
  void unreachable();
  void icmp();
  bool banner();
  void other_protocol();
  bool ehlo();
  void clear_auth();
  bool starttls();
  void no_starttls();
  bool tls();
  void certificate();
  void certificate_name();
  void certificate_trust();
  void certificate_strength();
  void dane();
  void after_tls();
  void relay();
  void login();

  const EndpointSeen& seen_;
  const std::vector<EndpointSeen>& others_;
  const JudgeOptions& options_;
  EndpointVerdict out_;
};

}  // namespace postern::probe
