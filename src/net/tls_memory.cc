#include "net/tls_memory.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <vector>

namespace postern::net {
namespace {

/// What a handshake collects its flight in, twice.
constexpr std::size_t kFlightBuffer = 4096;
constexpr std::size_t kSmallest = std::size_t{15} * 1024;
constexpr std::size_t kSlotSize = std::size_t{24} * 1024;  // whole pages
constexpr std::size_t kSlots = 32768;
constexpr std::size_t kKeptWarm = 128;

/// Equal slots in one reserved range, so that a pointer tells where it came from.
class Slots {
 public:
  Slots() {
    void* const range = ::mmap(nullptr, kSlots * kSlotSize, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED) return;
    // A huge page under half-empty slots would bring back what this is meant to save.
    ::madvise(range, kSlots * kSlotSize, MADV_NOHUGEPAGE);
    begin_ = static_cast<char*>(range);
  }

  [[nodiscard]] bool owns(const void* memory) const {
    const char* const at = static_cast<const char*>(memory);
    return begin_ != nullptr && !std::less<>{}(at, begin_) && std::less<>{}(at, begin_ + kSlots * kSlotSize);
  }

  /// nullptr when all are taken.
  void* take() {
    const std::lock_guard lock(mutex_);
    for (std::vector<void*>* free : {&warm_, &cold_}) {
      if (free->empty()) continue;
      void* const slot = free->back();
      free->pop_back();
      return slot;
    }
    if (begin_ == nullptr || never_used_ == kSlots) return nullptr;
    return begin_ + kSlotSize * never_used_++;
  }

  void give_back(void* slot) {
    {
      const std::lock_guard lock(mutex_);
      if (warm_.size() < kKeptWarm) {
        warm_.push_back(slot);
        return;
      }
    }
    ::madvise(slot, kSlotSize, MADV_DONTNEED);
    const std::lock_guard lock(mutex_);
    cold_.push_back(slot);
  }

 private:
  char* begin_ = nullptr;
  std::mutex mutex_;
  std::size_t never_used_ = 0;
  std::vector<void*> warm_;
  std::vector<void*> cold_;
};

/// Never destroyed: OpenSSL frees its last memory after our own statics are gone.
Slots& slots() {
  static Slots* const kAll = new Slots;
  return *kAll;
}

void* allocate(std::size_t size, const char* /*file*/, int /*line*/) {
  if (size == kFlightBuffer || (size >= kSmallest && size <= kSlotSize)) {
    if (void* const slot = slots().take()) return slot;
  }
  return size == 0 ? nullptr : std::malloc(size);
}

void release(void* memory, const char* /*file*/, int /*line*/) {
  if (slots().owns(memory)) {
    slots().give_back(memory);
  } else {
    std::free(memory);
  }
}

void* resize(void* memory, std::size_t size, const char* file, int line) {
  if (memory == nullptr) return allocate(size, file, line);
  if (!slots().owns(memory)) return std::realloc(memory, size);
  if (size <= kSlotSize) return memory;
  void* const larger = std::malloc(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, memory, kSlotSize);
  release(memory, file, line);
  return larger;
}

}  // namespace

bool use_tls_buffer_memory() { return CRYPTO_set_mem_functions(allocate, resize, release) == 1; }

}  // namespace postern::net
