#include "app/tls_policies.h"

#include "app/parts.h"

#include <filesystem>

namespace postern::app {
namespace {

/// How often cached policies are looked through for those to fetch anew.
constexpr std::chrono::minutes kRefreshEvery{10};

net::Task<> keep_fresh(net::Loop& loop, tlspolicy::MtaSts& mta_sts) {
  for (;;) {
    co_await loop.sleep_until(std::chrono::steady_clock::now() + kRefreshEvery);
    co_await mta_sts.refresh(loop);
  }
}

}  // namespace

std::string tls_database(const config::Config& config) { return config.data_dir + "/tls.db"; }

Result<std::unique_ptr<net::HttpClient>> policy_client(const config::Config& config,
                                                       net::AddressLookup& lookup) {
  return net::HttpClient::create(
      {.max_body = tlspolicy::kMaxPolicy, .allow_clear = false, .ca_file = config.tls_policies.ca_file},
      lookup);
}

Result<std::unique_ptr<tlspolicy::MtaSts>> open_mta_sts(const config::Config& config, net::HttpClient& http,
                                                        const Clock& clock) {
  if (!config.tls_policies.mta_sts) return std::unique_ptr<tlspolicy::MtaSts>();
  const std::string path = tls_database(config);
  const bool there = std::filesystem::is_directory(config.data_dir);
  POSTERN_TRY(std::unique_ptr<tlspolicy::StsCache> cache,
              tlspolicy::StsCache::open(there ? path : ":memory:"));
  const auto get = [&http](net::Loop& loop, net::HttpRequest request, SteadyTime deadline) {
    return http.fetch(loop, std::move(request), deadline);
  };
  return std::make_unique<tlspolicy::MtaSts>(std::move(cache), get, clock);
}

Result<> build_tls_policies(Parts& parts) {
  for (const auto& worker : parts.workers) parts.policy_lookup.add(worker->loop, *worker->resolver);
  POSTERN_TRY(parts.policy_http, policy_client(parts.config, parts.policy_lookup));
  POSTERN_TRY(parts.mta_sts, open_mta_sts(parts.config, *parts.policy_http, parts.clock));
  return {};
}

void start_tls_policies(Parts& parts) {
  net::Loop& loop = parts.workers.front()->loop;
  if (parts.mta_sts) loop.spawn(keep_fresh(loop, *parts.mta_sts));
}

}  // namespace postern::app
