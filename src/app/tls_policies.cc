#include "app/tls_policies.h"

#include "app/parts.h"
#include "app/server.h"
#include "base/log.h"

namespace postern::app {
namespace {

/// How often cached policies are looked through for those to fetch anew.
constexpr std::chrono::minutes kRefreshEvery{10};
/// How often counted sessions are written.
constexpr std::chrono::seconds kFlushEvery{5};

net::Task<> keep_fresh(net::Loop& loop, tlspolicy::MtaSts& mta_sts) {
  for (;;) {
    co_await loop.sleep_until(std::chrono::steady_clock::now() + kRefreshEvery);
    co_await mta_sts.refresh(loop);
  }
}

net::Task<> keep_reporting(net::Loop& loop, tlspolicy::Reporter& reporter) {
  for (;;) {
    co_await loop.sleep_until(std::chrono::steady_clock::now() + kFlushEvery);
    co_await reporter.run_once(loop);
  }
}

/// Who signs and answers for reports to domains: nobody when there is no key.
std::optional<tlspolicy::ReportAuthor> report_author(const Parts& parts) {
  const tlspolicy::Options& options = parts.config.tls_policies;
  tlspolicy::ReportAuthor author{options.report_organization, options.report_contact};
  if (author.contact.empty()) author.contact = "postmaster@" + report_domain(parts);
  if (author.domain().empty() || !parts.directory->domain(author.domain())) return std::nullopt;
  if (author.organization.empty()) author.organization = author.domain();
  return author;
}

tlspolicy::Reporter::Services report_services(Parts& parts) {
  const auto send_mail = [&parts](net::Loop& loop, std::string recipient, std::string content) {
    const std::optional<tlspolicy::ReportAuthor> author = report_author(parts);
    return intake::enqueue_generated(loop, *parts.intake, std::move(recipient),
                                     author ? author->domain() : "", std::move(content), {});
  };
  const auto post = [&parts](net::Loop& loop, net::HttpRequest request, SteadyTime deadline) {
    return parts.policy_http->fetch(loop, std::move(request), deadline);
  };
  return {.log = *parts.tls_sessions,
          .clock = parts.clock,
          .resolver = *parts.workers.front()->resolver,
          .author = [&parts] { return report_author(parts); },
          .send_mail = send_mail,
          .post = post,
          .spread = parts.config.tls_policies.report_spread,
          .metrics = &parts.tls_metrics};
}

}  // namespace

std::string tls_sessions_path(const config::Config& config) { return config.data_dir + "/tls_sessions.db"; }

Result<std::unique_ptr<net::HttpClient>> policy_client(const config::Config& config,
                                                       net::AddressLookup& lookup) {
  return net::HttpClient::create(
      {.max_body = tlspolicy::kMaxPolicy, .allow_clear = false, .ca_file = config.tls_policies.ca_file},
      lookup);
}

std::string sts_cache_path(const config::Config& config) { return config.data_dir + "/tls.db"; }

Result<std::unique_ptr<tlspolicy::MtaSts>> open_mta_sts(const config::Config& config,
                                                        const std::string& cache, net::HttpClient& http,
                                                        const Clock& clock, tlspolicy::Metrics* metrics) {
  if (!config.tls_policies.mta_sts) return std::unique_ptr<tlspolicy::MtaSts>();
  POSTERN_TRY(std::unique_ptr<tlspolicy::StsCache> opened, tlspolicy::StsCache::open(cache));
  const auto get = [&http](net::Loop& loop, net::HttpRequest request, SteadyTime deadline) {
    return http.fetch(loop, std::move(request), deadline);
  };
  return std::make_unique<tlspolicy::MtaSts>(std::move(opened), get, clock, metrics);
}

Result<> build_tls_policies(Parts& parts) {
  for (const auto& worker : parts.workers) parts.policy_lookup.add(worker->loop, *worker->resolver);
  POSTERN_TRY(parts.policy_http, policy_client(parts.config, parts.policy_lookup));
  POSTERN_TRY(parts.mta_sts, open_mta_sts(parts.config, sts_cache_path(parts.config), *parts.policy_http,
                                          parts.clock, &parts.tls_metrics));
  if (!parts.config.tls_policies.reports) return {};
  POSTERN_TRY(parts.tls_sessions, tlspolicy::SessionLog::open(tls_sessions_path(parts.config)));
  parts.tls_reporter = std::make_unique<tlspolicy::Reporter>(report_services(parts));
  return {};
}

void start_tls_policies(Parts& parts) {
  net::Loop& loop = parts.workers.front()->loop;
  if (parts.mta_sts) loop.spawn(keep_fresh(loop, *parts.mta_sts));
  if (parts.tls_reporter) loop.spawn(keep_reporting(loop, *parts.tls_reporter));
}

void finish_tls_policies(Parts& parts) {
  if (!parts.tls_sessions) return;
  if (const Result<> flushed = parts.tls_sessions->flush(); !flushed)
    log::Event(log::Level::Error, "tls.session_log_failed").with("why", flushed.error().detail);
}

}  // namespace postern::app
