#include "store/testing/power_cut_disk.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace postern::store::testing {

void PowerCutDisk::cut_after(std::uint64_t operations) {
  const std::lock_guard lock(mutex_);
  cut_operation_ = operations_ + operations;
}

void PowerCutDisk::cut_at_sync(std::uint64_t syncs) {
  const std::lock_guard lock(mutex_);
  cut_sync_ = syncs_ + syncs;
}

void PowerCutDisk::lie(Lie lie) {
  const std::lock_guard lock(mutex_);
  lie_ = lie;
}

void PowerCutDisk::fail(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  if (fault_.first != kNever) fault_.first += operations_;
}

PowerCutDisk::Verdict PowerCutDisk::next_operation(bool may_be_full, bool is_sync) {
  if (off_ || operations_ >= cut_operation_ || (is_sync && syncs_ >= cut_sync_)) {
    off_ = true;
    return Verdict::Off;
  }
  const std::uint64_t number = operations_++;
  if (is_sync) ++syncs_;
  if (number < fault_.first || number - fault_.first >= fault_.count) return Verdict::Done;
  return fault_.verdict == Verdict::Full && !may_be_full ? Verdict::Done : fault_.verdict;
}

PowerCutDisk::Verdict PowerCutDisk::create(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const Verdict verdict = next_operation(true, false);
  if (verdict != Verdict::Done) return verdict;
  Entry& entry = entries_[name];
  if (entry == nullptr) {
    entry = std::make_shared<File>();
    pending_entries_.push_back({name, entry});
  }
  return Verdict::Done;
}

PowerCutDisk::Verdict PowerCutDisk::write(const std::string& name, std::uint64_t offset,
                                          std::string_view content, std::size_t& done) {
  const std::lock_guard lock(mutex_);
  const Verdict verdict = next_operation(true, false);
  done = verdict == Verdict::Done ? content.size() : verdict == Verdict::Off ? 0 : content.size() / 2;
  if (done > 0) entries_.at(name)->pending.push_back({offset, std::string(content.substr(0, done))});
  return verdict;
}

PowerCutDisk::Verdict PowerCutDisk::truncate(const std::string& name, std::uint64_t size) {
  const std::lock_guard lock(mutex_);
  const Verdict verdict = next_operation(false, false);
  if (verdict == Verdict::Done)
    entries_.at(name)->pending.push_back({.offset = size, .content = {}, .truncates = true});
  return verdict;
}

PowerCutDisk::Verdict PowerCutDisk::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const Verdict verdict = next_operation(false, false);
  if (verdict != Verdict::Done) return verdict;
  entries_.erase(name);
  pending_entries_.push_back({name, nullptr});
  return Verdict::Done;
}

PowerCutDisk::Verdict PowerCutDisk::sync(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const Verdict verdict = next_operation(false, true);
  File& file = *entries_.at(name);
  if (verdict == Verdict::Error) {
    set_mood();
    keep_some(file);
  } else if (verdict == Verdict::Done && lie_ != Lie::FileSyncs) {
    for (const Change& change : std::exchange(file.pending, {})) apply(file, change, false);
  }
  return verdict;
}

PowerCutDisk::Verdict PowerCutDisk::sync_directory() {
  const std::lock_guard lock(mutex_);
  const Verdict verdict = next_operation(false, true);
  if (verdict == Verdict::Done && lie_ != Lie::DirectorySyncs) {
    durable_entries_ = entries_;
    pending_entries_.clear();
  }
  return verdict;
}

bool PowerCutDisk::is_off() const {
  const std::lock_guard lock(mutex_);
  return off_;
}

std::uint64_t PowerCutDisk::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::uint64_t PowerCutDisk::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

/// All of it lost and all of it kept are the cuts that happen most; the rest is in between.
void PowerCutDisk::set_mood() {
  constexpr std::array kChances{0.0, 0.0, 0.25, 0.5, 0.75, 0.95, 1.0};
  keep_ = kChances[rng_() % kChances.size()];
}

bool PowerCutDisk::lost() { return std::uniform_real_distribution<>(0, 1)(rng_) >= keep_; }

void PowerCutDisk::apply(File& file, const Change& change, bool tear) {
  if (change.truncates) {
    if (!tear || !lost()) file.durable.resize(change.offset);
    return;
  }
  for (std::size_t at = 0; at < change.content.size();) {
    const std::uint64_t position = change.offset + at;
    const std::size_t length = std::min(change.content.size() - at, kSector - position % kSector);
    if (!tear || !lost()) {
      // A hole that nothing was written to reads as zeros.
      if (file.durable.size() < position + length) file.durable.resize(position + length);
      file.durable.replace(position, length, change.content, at, length);
    }
    at += length;
  }
}

void PowerCutDisk::keep_some(File& file) {
  for (const Change& change : std::exchange(file.pending, {})) apply(file, change, true);
}

std::map<std::string, std::string> PowerCutDisk::survivors() {
  const std::lock_guard lock(mutex_);
  set_mood();
  // Directory entries of one name change in their order, so that what survives is some prefix of the changes.
  std::set<std::string> stopped;
  for (const EntryChange& change : std::exchange(pending_entries_, {})) {
    if (stopped.contains(change.name)) continue;
    if (lost()) {
      stopped.insert(change.name);
    } else if (change.entry == nullptr) {
      durable_entries_.erase(change.name);
    } else {
      durable_entries_[change.name] = change.entry;
    }
  }
  entries_ = durable_entries_;
  std::map<std::string, std::string> files;
  for (const auto& [name, entry] : entries_) {
    set_mood();
    keep_some(*entry);
    files[name] = entry->durable;
  }
  off_ = false;
  cut_operation_ = cut_sync_ = kNever;
  fault_ = {};
  return files;
}

}  // namespace postern::store::testing
