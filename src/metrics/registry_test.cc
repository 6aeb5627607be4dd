#include "metrics/registry.h"

#include <gtest/gtest.h>

namespace postern::metrics {
namespace {

TEST(Registry, WritesThePrometheusTextFormat) {
  Registry registry;
  Counter sent(registry, "postern_x_sent_total", "Things sent.");
  Gauge depth(registry, "postern_x_depth", "Things waiting.");
  Histogram time(registry, "postern_x_seconds", "Time taken.", kIoSeconds);
  sent.add(3);
  depth.set(-2);
  time.observe(std::chrono::milliseconds(1));
  time.observe(std::chrono::minutes(5));
  const std::string text = registry.exposition();
  EXPECT_NE(text.find("# HELP postern_x_sent_total Things sent.\n# TYPE postern_x_sent_total "
                      "counter\npostern_x_sent_total 3\n"),
            std::string::npos);
  EXPECT_NE(text.find("postern_x_depth -2\n"), std::string::npos);
  EXPECT_NE(text.find("postern_x_seconds_bucket{le=\"0.0005\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("postern_x_seconds_bucket{le=\"0.001\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("postern_x_seconds_bucket{le=\"+Inf\"} 2\npostern_x_seconds_sum "
                      "300.001\npostern_x_seconds_count 2\n"),
            std::string::npos);
}

}  // namespace
}  // namespace postern::metrics
