#include "dns/unbound_resolver.h"

#include "base/log.h"
#include "dns/rdata.h"
#include "mail/idna.h"
#include "net/readiness.h"

#include <unbound.h>
#include <unistd.h>

#include <array>
#include <coroutine>
#include <utility>

namespace postern::dns {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr int kClassInternet = 1;
constexpr int kRcodeNoError = 0;
/// Record types, RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 6698 §2.1.
enum class Type { A = 1, Cname = 5, Mx = 15, Txt = 16, Aaaa = 28, Tlsa = 52 };

constexpr const char* kSystemServers = "system";
constexpr std::array kUsualTrustAnchors{"/usr/share/dns/root.key", "/var/lib/unbound/root.key"};
/// How long the pump outlives the last look-up, so that a late answer and its timeout do not race.
constexpr auto kPumpSlack = std::chrono::milliseconds{10};

struct ContextDelete {
  void operator()(ub_ctx* ctx) const { ub_ctx_delete(ctx); }
};
struct AnswerDelete {
  void operator()(ub_result* answer) const { ub_resolve_free(answer); }
};

Result<net::Endpoint> parse_server(const std::string& text) {
  if (const Result<net::IpAddress> ip = net::IpAddress::parse(text)) return net::Endpoint{*ip, kDnsPort};
  Result<net::Endpoint> endpoint = net::Endpoint::parse(text);
  if (!endpoint) return fail(Errc::Malformed, "not a DNS server's address: " + text);
  return endpoint;
}

Result<> checked(int status, const std::string& what) {
  if (status == UB_NOERROR) return {};
  return fail(Errc::Unavailable, what + ": " + ub_strerror(status));
}

}  // namespace

/// What a resolver, its look-ups and its pump share; the last of them frees it.
struct UnboundResolver::Context {
  net::Loop& loop;
  std::chrono::seconds timeout;
  std::unique_ptr<ub_ctx, ContextDelete> ub;
  std::size_t outstanding = 0;
  SteadyTime last_deadline{};
  bool pumping = false;
};

namespace {

using Context = UnboundResolver::Context;

/// Hands libunbound's answers to the look-ups; lives while there are any.
net::Task<> pump(std::shared_ptr<Context> context) {
  while (context->outstanding > 0) {
    const Result<> ready = co_await net::wait_readable(context->loop, ub_fd(context->ub.get()),
                                                       context->last_deadline + kPumpSlack);
    if (!ready && ready.error().code != Errc::Timeout) break;
    if (ready) ub_process(context->ub.get());
  }
  context->pumping = false;
}

/// One question, asked by the constructor; co_await it once, for the answer or what went wrong. The deadline
/// entry also serves to resume the waiter outside of libunbound's callback.
class Question final : public net::Expiring {
 public:
  Question(std::shared_ptr<Context> context, const std::string& name, Type type)
      : context_(std::move(context)) {
    const SteadyTime deadline = std::chrono::steady_clock::now() + context_->timeout;
    status_ = ub_resolve_async(context_->ub.get(), name.c_str(), static_cast<int>(type), kClassInternet, this,
                               on_answer, &id_);
    if (status_ != UB_NOERROR) return;
    asking_ = true;
    ++context_->outstanding;
    context_->last_deadline = deadline;
    context_->loop.schedule_deadline(*this, deadline);
    if (!std::exchange(context_->pumping, true)) context_->loop.spawn(pump(context_));
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;
  ~Question() override {
    context_->loop.cancel_deadline(*this);
    withdraw();
  }

  [[nodiscard]] bool await_ready() const noexcept { return !asking_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  /// Errors as Resolver promises.
  [[nodiscard]] Result<const ub_result*> await_resume() const {
    if (status_ == UB_SYNTAX) return fail(Errc::NotFound, "not a DNS name");
    if (status_ != UB_NOERROR)
      return fail(Errc::Unavailable, std::string("resolver: ") + ub_strerror(status_));
    if (!answer_) return fail(Errc::Unavailable, "no answer from DNS in time");
    const std::string name = answer_->qname;
    if (answer_->bogus != 0) {
      const std::string why = answer_->why_bogus != nullptr ? answer_->why_bogus : name;
      return fail(Errc::Unavailable, "DNSSEC validation failed: " + why);
    }
    if (answer_->nxdomain != 0) return fail(Errc::NotFound, name + " does not exist");
    if (answer_->rcode != kRcodeNoError) {
      return fail(Errc::Unavailable,
                  "DNS answered with rcode " + std::to_string(answer_->rcode) + " for " + name);
    }
    return answer_.get();
  }

 private:
  static void on_answer(void* question, int status, ub_result* answer) {
    auto* const self = static_cast<Question*>(question);
    self->status_ = status;
    self->answer_.reset(answer);
    self->asking_ = false;
    --self->context_->outstanding;
    self->context_->loop.cancel_deadline(*self);
    self->context_->loop.schedule_deadline(*self, SteadyTime::min());
  }
  void expired() override {
    withdraw();
    if (waiter_) waiter_.resume();
  }
  void withdraw() {
    if (!std::exchange(asking_, false)) return;
    ub_cancel(context_->ub.get(), id_);
    --context_->outstanding;
  }

  std::shared_ptr<Context> context_;
  std::unique_ptr<ub_result, AnswerDelete> answer_;
  std::coroutine_handle<> waiter_;
  int status_ = UB_NOERROR;
  int id_ = 0;
  bool asking_ = false;
};

std::vector<std::string> records_of(const ub_result& answer) {
  std::vector<std::string> records;
  if (answer.havedata == 0) return records;
  for (std::size_t i = 0; answer.data[i] != nullptr; ++i) {
    records.emplace_back(answer.data[i], static_cast<std::size_t>(answer.len[i]));
  }
  return records;
}

void append_ips(std::vector<net::IpAddress>& ips, const ub_result& answer) {
  for (const std::string& record : records_of(answer)) {
    if (const Result<net::IpAddress> ip = net::IpAddress::from_octets(record)) ips.push_back(*ip);
  }
}

/// The end of the chain of CNAMEs.
std::string canonical_name(const ub_result& answer, const std::string& name) {
  std::string out = answer.canonname != nullptr ? answer.canonname : name;
  if (out.ends_with('.')) out.pop_back();
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out.empty() ? name : out;
}

/// The name to ask for.
Result<std::string> query_name(const std::string& domain) {
  Result<std::string> name = mail::to_ascii(domain);
  if (!name || name->empty()) return fail(Errc::NotFound, "not a DNS name");
  return name;
}

net::Task<Result<MxAnswer>> find_mx(std::shared_ptr<Context> context, std::string domain) {
  POSTERN_CO_TRY(const std::string name, query_name(domain));
  Question question(context, name, Type::Mx);
  const Result<const ub_result*> found = co_await question;
  if (!found) co_return found.error();
  const std::vector<std::string> records = records_of(**found);
  MxAnswer answer = mx_from_rdata(records);
  // Records that nobody can read must not turn into "no MX record".
  if (!records.empty() && answer.hosts.empty() && !answer.null_mx) {
    co_return fail(Errc::Unavailable, "the MX records of " + name + " are broken");
  }
  answer.secure = (*found)->secure != 0;
  answer.canonical = canonical_name(**found, name);
  co_return answer;
}

net::Task<Result<AddressAnswer>> find_addresses(std::shared_ptr<Context> context, std::string host) {
  POSTERN_CO_TRY(const std::string name, query_name(host));
  Question v4_question(context, name, Type::A);
  Question v6_question(context, name, Type::Aaaa);
  const Result<const ub_result*> v4 = co_await v4_question;
  const Result<const ub_result*> v6 = co_await v6_question;
  AddressAnswer answer;
  answer.secure = true;
  // What brought no address has no say in whether those that are there are secure: else somebody who suppresses
  // one answer could turn DANE off.
  for (const Result<const ub_result*>* found : {&v4, &v6}) {
    if (!*found || (**found)->havedata == 0) continue;
    append_ips(answer.ips, ***found);
    answer.secure = answer.secure && (**found)->secure != 0;
    answer.canonical = canonical_name(***found, name);
  }
  answer.secure = answer.secure && !answer.ips.empty();
  if (!answer.ips.empty()) co_return answer;
  // "Does not exist" only if nothing says otherwise: it makes mail bounce.
  if (!v4 && v4.error().code != Errc::NotFound) co_return v4.error();
  if (!v6 && v6.error().code != Errc::NotFound) co_return v6.error();
  if (!v4 && !v6) co_return v4.error();
  co_return answer;
}

/// The records of one type; none when the name does not exist.
struct Records {
  std::vector<std::string> rdata;
  bool secure = false;
};

net::Task<Result<Records>> find_records(std::shared_ptr<Context> context, std::string domain, Type type) {
  POSTERN_CO_TRY(const std::string name, query_name(domain));
  Question question(context, name, type);
  const Result<const ub_result*> found = co_await question;
  if (!found && found.error().code == Errc::NotFound) co_return Records{};
  if (!found) co_return found.error();
  co_return Records{records_of(**found), (*found)->secure != 0};
}

Result<> use_servers(ub_ctx* ub, const std::vector<std::string>& servers) {
  for (const std::string& server : servers) {
    if (server == kSystemServers) {
      POSTERN_CHECK(checked(ub_ctx_resolvconf(ub, nullptr), "/etc/resolv.conf"));
      POSTERN_CHECK(checked(ub_ctx_hosts(ub, nullptr), "/etc/hosts"));
      continue;
    }
    POSTERN_TRY(const net::Endpoint endpoint, parse_server(server));
    const std::string address = endpoint.ip.text() + "@" + std::to_string(endpoint.port);
    POSTERN_CHECK(checked(ub_ctx_set_fwd(ub, address.c_str()), "DNS server " + server));
  }
  if (servers.empty()) return {};
  return checked(ub_ctx_set_option(ub, "do-not-query-localhost:", "no"), "resolver");
}

Result<> use_trust_anchor(ub_ctx* ub, const std::string& configured) {
  if (!configured.empty()) {
    if (::access(configured.c_str(), R_OK) != 0)
      return fail(Errc::NotFound, "cannot read the trust anchor " + configured);
    return checked(ub_ctx_add_ta_file(ub, configured.c_str()), configured);
  }
  for (const char* path : kUsualTrustAnchors) {
    if (::access(path, R_OK) == 0) return checked(ub_ctx_add_ta_file(ub, path), path);
  }
  log::Event(log::Level::Warning, "dns.no_trust_anchor").with("effect", "answers are not validated");
  return {};
}

}  // namespace

Result<> Options::validate() const {
  for (const std::string& server : servers) {
    if (server != kSystemServers) POSTERN_CHECK(parse_server(server));
  }
  return {};
}

UnboundResolver::UnboundResolver(std::shared_ptr<Context> context) : context_(std::move(context)) {}
UnboundResolver::~UnboundResolver() = default;

Result<std::unique_ptr<UnboundResolver>> UnboundResolver::create(net::Loop& loop, const Options& options) {
  auto context = std::make_shared<Context>(Context{.loop = loop, .timeout = options.timeout, .ub = {}});
  context->ub.reset(ub_ctx_create());
  ub_ctx* const ub = context->ub.get();
  if (ub == nullptr) return fail(Errc::Unavailable, "libunbound cannot start");
  POSTERN_CHECK(checked(ub_ctx_async(ub, 1), "resolver"));  // a thread of its own, not a process
  POSTERN_CHECK(use_servers(ub, options.servers));
  if (options.dnssec) POSTERN_CHECK(use_trust_anchor(ub, options.trust_anchor));
  // libunbound denies everything below "test." on its own (RFC 6761 §6.2); servers that somebody configured
  // may know it. This closes the configuration, so errors in it show here and not with the first mail.
  POSTERN_CHECK(
      checked(ub_ctx_zone_add(ub, "test.", options.servers.empty() ? "static" : "transparent"), "resolver"));
  return std::make_unique<UnboundResolver>(std::move(context));
}

net::Task<Result<MxAnswer>> UnboundResolver::mx(std::string domain) {
  return find_mx(context_, std::move(domain));
}

net::Task<Result<AddressAnswer>> UnboundResolver::addresses(std::string host) {
  return find_addresses(context_, std::move(host));
}

net::Task<Result<TlsaAnswer>> UnboundResolver::tlsa(std::string name) {
  POSTERN_CO_TRY(const Records found, co_await find_records(context_, std::move(name), Type::Tlsa));
  TlsaAnswer answer{{}, found.secure};
  for (const std::string& rdata : found.rdata) {
    if (std::optional<net::TlsaRecord> record = tlsa_from_rdata(rdata))
      answer.records.push_back(*std::move(record));
  }
  co_return answer;
}

net::Task<Result<std::vector<std::string>>> UnboundResolver::txt(std::string name) {
  POSTERN_CO_TRY(const Records found, co_await find_records(context_, std::move(name), Type::Txt));
  std::vector<std::string> texts;
  for (const std::string& rdata : found.rdata) texts.push_back(text_from_rdata(rdata));
  co_return texts;
}

net::Task<Result<bool>> UnboundResolver::secure_alias(std::string name) {
  POSTERN_CO_TRY(const Records found, co_await find_records(context_, std::move(name), Type::Cname));
  co_return found.secure && !found.rdata.empty();
}

}  // namespace postern::dns
