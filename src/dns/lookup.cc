#include "dns/lookup.h"

#include "base/clock.h"
#include "mail/idna.h"
#include "net/endpoint.h"

#include <poll.h>
#include <unbound.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

namespace postern::dns {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::array kTrustAnchors{"/usr/share/dns/root.key", "/var/lib/unbound/root.key"};

struct ContextDelete {
  void operator()(ub_ctx* ctx) const { ub_ctx_delete(ctx); }
};
struct AnswerDelete {
  void operator()(ub_result* answer) const { ub_resolve_free(answer); }
};
using Context = std::unique_ptr<ub_ctx, ContextDelete>;

/// What the callback fills.
struct Waiting {
  bool done = false;
  int status = UB_NOERROR;
  std::unique_ptr<ub_result, AnswerDelete> answer;
};

void on_answer(void* data, int status, ub_result* answer) {
  auto* const waiting = static_cast<Waiting*>(data);
  waiting->done = true;
  waiting->status = status;
  waiting->answer.reset(answer);
}

Result<Context> make_context(const LookupOptions& options) {
  Context ub(ub_ctx_create());
  if (!ub) return fail(Errc::Unavailable, "libunbound cannot start");
  ub_ctx_async(ub.get(), 1);
  if (options.servers.empty()) {
    ub_ctx_resolvconf(ub.get(), nullptr);
    ub_ctx_hosts(ub.get(), nullptr);
  }
  for (const std::string& server : options.servers) {
    const Result<net::IpAddress> ip = net::IpAddress::parse(server);
    const Result<net::Endpoint> endpoint =
        ip ? Result<net::Endpoint>(net::Endpoint{*ip, kDnsPort}) : net::Endpoint::parse(server);
    if (!endpoint) return fail(Errc::Malformed, "not a DNS server's address: " + server);
    ub_ctx_set_fwd(ub.get(), (endpoint->ip.text() + '@' + std::to_string(endpoint->port)).c_str());
  }
  ub_ctx_set_option(ub.get(), "do-not-query-localhost:", "no");
  if (options.validate && !options.trust_anchor.empty()) {
    if (::access(options.trust_anchor.c_str(), R_OK) != 0)
      return fail(Errc::NotFound, "cannot read the trust anchor " + options.trust_anchor);
    ub_ctx_add_ta_file(ub.get(), options.trust_anchor.c_str());
  } else if (options.validate) {
    for (const char* path : kTrustAnchors) {
      if (::access(path, R_OK) != 0) continue;
      ub_ctx_add_ta_file(ub.get(), path);
      break;
    }
  }
  ub_ctx_zone_add(ub.get(), "test.", "transparent");
  return ub;
}

Lookup read(const Waiting& waiting) {
  Lookup out;
  if (waiting.status != UB_NOERROR || !waiting.answer) {
    out.error = ub_strerror(waiting.status);
    return out;
  }
  const ub_result& answer = *waiting.answer;
  out.secure = answer.secure != 0;
  out.canonical = answer.canonname != nullptr ? answer.canonname : answer.qname;
  if (out.canonical.ends_with('.')) out.canonical.pop_back();
  for (char& c : out.canonical) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (answer.bogus != 0) {
    out.outcome = LookupOutcome::Bogus;
    out.error = answer.why_bogus != nullptr ? answer.why_bogus : "signatures do not validate";
    return out;
  }
  if (answer.nxdomain != 0) {
    out.outcome = LookupOutcome::NoSuchName;
  } else if (answer.rcode != 0) {
    constexpr int kServerFailure = 2;
    out.error = answer.rcode == kServerFailure ? "SERVFAIL" : "rcode " + std::to_string(answer.rcode);
  } else if (answer.havedata == 0) {
    out.outcome = LookupOutcome::NoData;
  } else {
    out.outcome = LookupOutcome::Found;
    for (std::size_t i = 0; answer.data[i] != nullptr; ++i) {
      out.records.emplace_back(answer.data[i], static_cast<std::size_t>(answer.len[i]));
    }
  }
  return out;
}

}  // namespace

Result<Lookup> lookup(const std::string& name, RecordType type, const LookupOptions& options) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + options.timeout;
  POSTERN_TRY(const Context ub, make_context(options));
  const Result<std::string> ascii = mail::to_ascii(name);
  Lookup out;
  if (!ascii || ascii->empty()) {
    out.outcome = LookupOutcome::NoSuchName;
    out.error = "not a DNS name";
    return out;
  }
  Waiting waiting;
  int id = 0;
  constexpr int kInternet = 1;
  const int status =
      ub_resolve_async(ub.get(), ascii->c_str(), static_cast<int>(type), kInternet, &waiting, on_answer, &id);
  if (status != UB_NOERROR) {
    out.outcome = status == UB_SYNTAX ? LookupOutcome::NoSuchName : LookupOutcome::Failed;
    out.error = ub_strerror(status);
    return out;
  }
  while (!waiting.done) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry{ub_fd(ub.get()), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&entry, 1, static_cast<int>(left.count())) == 0) {
      ub_cancel(ub.get(), id);
      out.outcome = LookupOutcome::Timeout;
      out.error = "no answer in time";
      return out;
    }
    ub_process(ub.get());
  }
  return read(waiting);
}

}  // namespace postern::dns
