#include "guard/watch/surroundings.h"

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
  if (place.known()) suspects_[place.network % kSuspects] = {place.network, time};
}

void Surroundings::forgive(const Place& place) {
  Suspect& suspect = suspects_[place.network % kSuspects];
  if (suspect.network == place.network) suspect = {};
}

}  // namespace postern::guard
