#include "guard/watch/signal.h"

#include <fmt/format.h>

#include <algorithm>

namespace postern::guard {
namespace {

constexpr double kWorthAWord = 0.3;

std::string sentence(const Evidence& e) {
  switch (e.signal) {
    case Signal::NewRecipients:
      return fmt::format("{:.0f} new recipients in {}, at most {:.0f} usual", e.value, e.window, e.usual);
    case Signal::Volume:
      return fmt::format("{:.0f} {}, at most {:.0f} usual", e.value, e.window, e.usual);
    case Signal::AllStrangers:
      return fmt::format(
          "{:.0f} % of its messages of the last day go mostly to new recipients, {:.0f} % usual",
          e.value * 100, e.usual * 100);
    case Signal::StrangeNetwork:
      return fmt::format("{:.0f} new recipients written to from a network that the account never used",
                         e.value);
    case Signal::SeveralNetworks:
      return fmt::format("{:.0f} strange networks within hours", e.value);
    case Signal::OddHours:
      return "at hours at which the account seldom sends";
    case Signal::Bounces:
      return fmt::format("{:.0f} recipients bounced within a day, {:.1f} % usual", e.value, e.usual * 100);
    case Signal::Reports:
      if (e.value < 1) return "content scanner, or failed logins before a login";
      return fmt::format("{:.0f} complaints of late, {:.1f} % of its recipients", e.value, e.usual * 100);
  }
  return "";
}

}  // namespace

const char* name_of(Signal signal) {
  switch (signal) {
    case Signal::NewRecipients:
      return "new_recipients";
    case Signal::Volume:
      return "volume";
    case Signal::AllStrangers:
      return "all_strangers";
    case Signal::StrangeNetwork:
      return "strange_network";
    case Signal::SeveralNetworks:
      return "several_networks";
    case Signal::OddHours:
      return "odd_hours";
    case Signal::Bounces:
      return "bounces";
    case Signal::Reports:
      return "reports";
  }
  return "unknown";
}

double Evidences::score() const {
  double sum = 0;
  for (const Evidence& evidence : all) sum += evidence.strength;
  return sum;
}

std::vector<std::string> in_words(const Evidences& evidences) {
  std::vector<Evidence> spoke;
  for (const Evidence& evidence : evidences.all) {
    if (evidence.strength >= kWorthAWord) spoke.push_back(evidence);
  }
  std::stable_sort(spoke.begin(), spoke.end(),
                   [](const Evidence& a, const Evidence& b) { return a.strength > b.strength; });
  std::vector<std::string> words;
  for (const Evidence& evidence : spoke)
    words.push_back(fmt::format("{}: {} (strength {:.1f})", name_of(evidence.signal), sentence(evidence),
                                evidence.strength));
  return words;
}

}  // namespace postern::guard
