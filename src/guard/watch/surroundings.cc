#include "guard/watch/surroundings.h"

#include <algorithm>
#include <charconv>

namespace postern::guard {

unsigned Surroundings::accounts_at(const Place& place) const {
  const Office& office = offices_[place.network % kOffices];
  return place.known() && office.network == place.network ? office.accounts : 0;
}

bool Surroundings::suspect(const Place& place, std::int64_t time) const {
  const Suspect& suspect = suspects_[place.network % kSuspects];
  return place.known() && suspect.network == place.network && time - suspect.since < kSuspectFor;
}

void Surroundings::note_trusted(const Place& place) {
  if (!place.known()) return;
  changed_ = true;
  Office& office = offices_[place.network % kOffices];
  if (office.network == place.network) {
    ++office.accounts;
  } else if (office.accounts > 1) {
    --office.accounts;  // a busy office keeps its slot against single homes
  } else {
    office = {place.network, 1};
  }
}

void Surroundings::note_attack(const Place& place, std::int64_t time) {
  if (!place.known()) return;
  suspects_[place.network % kSuspects] = {place.network, time};
  changed_ = true;
}

void Surroundings::forgive(const Place& place) {
  Suspect& suspect = suspects_[place.network % kSuspects];
  if (suspect.network != place.network || !place.known()) return;
  suspect = {};
  changed_ = true;
}

// Lines "o network accounts" and "s network since"; a missing slot is an empty one.
std::string Surroundings::octets() const {
  std::string out;
  const auto line = [&out](char kind, std::uint32_t network, std::int64_t value) {
    if (network != 0) out += kind + (" " + std::to_string(network)) + " " + std::to_string(value) + "\n";
  };
  for (const Office& office : offices_) line('o', office.network, office.accounts);
  for (const Suspect& suspect : suspects_) line('s', suspect.network, suspect.since);
  return out;
}

void Surroundings::restore(std::string_view octets) {
  while (!octets.empty()) {
    const std::size_t end = std::min(octets.find('\n'), octets.size());
    const std::string_view line = octets.substr(0, end);
    octets.remove_prefix(std::min(octets.size(), end + 1));
    const std::size_t space = line.find(' ', 2);
    if (line.size() < 5 || space == std::string_view::npos) continue;
    std::uint32_t network = 0;
    std::int64_t value = 0;
    std::from_chars(line.data() + 2, line.data() + space, network);
    std::from_chars(line.data() + space + 1, line.data() + line.size(), value);
    if (line[0] == 'o') offices_[network % kOffices] = {network, static_cast<std::uint32_t>(value)};
    if (line[0] == 's') suspects_[network % kSuspects] = {network, value};
  }
}

}  // namespace postern::guard
