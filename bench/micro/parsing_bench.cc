#include "mail/header.h"
#include "smtp/command.h"
#include "smtp/dot_codec.h"

#include <benchmark/benchmark.h>

#include "micro/sample_mail.h"

namespace postern::bench {
namespace {

void parse_commands(benchmark::State& state) {
  const std::string_view lines[] = {"EHLO client.example",
                                    "MAIL FROM:<alice@example.org> SIZE=4096 BODY=8BITMIME",
                                    "RCPT TO:<bob@example.net>", "DATA"};
  for (auto _ : state) {
    for (const std::string_view line : lines) benchmark::DoNotOptimize(smtp::parse_command(line));
  }
  state.SetItemsProcessed(state.iterations() * 4);
}
BENCHMARK(parse_commands);

void decode_dots(benchmark::State& state) {
  const std::string wire = sample_header() + sample_body(static_cast<std::size_t>(state.range(0))) + ".\r\n";
  std::string out;
  for (auto _ : state) {
    smtp::DotDecoder decoder;
    out.clear();
    benchmark::DoNotOptimize(decoder.feed(wire, out));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(wire.size()));
}
BENCHMARK(decode_dots)->Arg(4096)->Arg(65536);

void encode_dots(benchmark::State& state) {
  const std::string text = sample_header() + sample_body(static_cast<std::size_t>(state.range(0)));
  std::string wire;
  for (auto _ : state) {
    smtp::DotEncoder encoder;
    wire.clear();
    encoder.feed(text, wire);
    encoder.finish(wire);
    benchmark::DoNotOptimize(wire.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(encode_dots)->Arg(4096)->Arg(65536);

void parse_header(benchmark::State& state) {
  std::string header = sample_header();
  header.resize(header.size() - 2);
  for (auto _ : state) {
    const Result<mail::Header> parsed = mail::Header::parse(header);
    benchmark::DoNotOptimize(parsed->octets());
  }
}
BENCHMARK(parse_header);

}  // namespace
}  // namespace postern::bench
