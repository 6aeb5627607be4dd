#include "dkim/signer.h"

#include <benchmark/benchmark.h>

#include "micro/sample_mail.h"

namespace postern::bench {
namespace {

std::string hash_of(const std::string& body) {
  dkim::BodyHash hash;
  hash.update(body);
  return hash.finish();
}

void canonicalise_and_hash_body(benchmark::State& state) {
  const std::string body = sample_body(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(hash_of(body));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(body.size()));
}
BENCHMARK(canonicalise_and_hash_body)->Arg(4096)->Arg(65536);

/// The key operation alone: what no signer can be faster than.
void rsa_2048(benchmark::State& state) {
  const Result<dkim::SigningKey> key = dkim::SigningKey::generate(2048);
  const std::string data(600, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(key->sign(data));
}
BENCHMARK(rsa_2048);

void sign_message(benchmark::State& state) {
  const Result<dkim::SigningKey> key = dkim::SigningKey::generate(2048);
  const std::string header = sample_header();
  const std::string body = sample_body(static_cast<std::size_t>(state.range(0)));
  const dkim::SignOptions options{"example.org", "bench", TimePoint{std::chrono::hours{490'000}},
                                  std::nullopt};
  for (auto _ : state) benchmark::DoNotOptimize(dkim::sign(*key, options, header, hash_of(body)));
}
BENCHMARK(sign_message)->Arg(4096);

}  // namespace
}  // namespace postern::bench
