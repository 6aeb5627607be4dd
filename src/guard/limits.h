#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "guard/limit.h"
#include "guard/metrics.h"
#include "guard/use.h"
#include "guard/use_store.h"
#include "guard/verdict.h"
#include "net/endpoint.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace postern::guard {

/// Whose mail it is, with what the directory says of it now.
struct Sender {
  AccountId account;
  std::string address;   ///< the account's
  std::size_t kind = 0;  ///< its class, 0 to 2; that of the app password, if that counts apart
  std::int64_t app_password = 0;
  /// The app password has a class of its own: its mail counts against its limits and not against the account's.
  bool apart = false;
  std::shared_ptr<const std::vector<std::string>> own_limits;  ///< the account's; may be nullptr
  std::shared_ptr<const std::vector<std::string>>
      app_password_limits;  ///< the app password's; may be nullptr
  std::optional<net::IpAddress> client;
};

/// What a message asks for, beside being one message.
struct Tally {
  std::uint64_t recipients = 0;  ///< at domains that are not ours
  std::uint64_t first_time = 0;  ///< of them, those that the account has not written to lately
};

/// A limit and how far it is used.
struct Allowance {
  std::string of;  ///< "account alice@example.org"
  Counted what{};
  Limit limit;
  std::uint64_t used = 0;
  TimePoint next_frees{};  ///< when the oldest use leaves the window; now, if nothing is used
  TimePoint all_free{};    ///< when all of the present use has left it
  bool of_app_password = false;
};

/// How much everybody has sent lately, and whether there is room for more.
///
/// Counts what take() let through: no refused attempts, DSNs or retries. Recipients at our own domains do not count,
/// their messages do.
/// Owns     limits.db, when opened with a path.
/// Threads  safe from any thread. A key not asked for lately is read from the file under the lock: some 20 us, once.
/// Durable  written behind, every kSaveEvery: kill -9 forgets the use of that time at most, a power cut that of the
///          last checkpoint of the file's log; an orderly end forgets nothing.
/// Limits   kMaxInMemory keys in memory; what was not used lately goes first.
class Limits {
 public:
  static constexpr std::chrono::milliseconds kSaveEvery{500};
  static constexpr std::size_t kMaxInMemory = 20'000;

  /// In memory only, for tests and for looking at a configuration.
  Limits(LimitConfig config, const Clock& clock) : config_(std::move(config)), clock_(clock) {}
  [[nodiscard]] static Result<std::unique_ptr<Limits>> open(const std::string& path, LimitConfig config,
                                                            const Clock& clock,
                                                            LimitMetrics* metrics = nullptr);
  ~Limits();

  /// Other limits from now on. Use within a window that stays is kept, of a new window it starts at nothing.
  void replace(LimitConfig config);

  /// Adds an external recipient to what a message of `sender` asks for.
  void count(const Sender& sender, std::string_view recipient, Tally& tally);
  /// Whether there is room for such a message now.
  [[nodiscard]] Verdict check(const Sender& sender, const Tally& tally);
  struct Taken {
    Verdict verdict;
    std::vector<Allowance> near;  ///< limits of the account that have just come near (80 %), each once
  };
  /// The same, and uses the room. `recipients`: the external ones, known from now on.
  [[nodiscard]] Taken take(const Sender& sender, const Tally& tally,
                           const std::vector<std::string>& recipients);
  /// The message was not accepted after all.
  void give_back(const Sender& sender, const Tally& tally);
  [[nodiscard]] std::vector<Allowance> allowances(const Sender& sender);
  [[nodiscard]] std::size_t in_memory();
  /// Writes what is not yet written. Error: it is tried again by itself.
  [[nodiscard]] Result<> save();

 private:
  /// Something that is limited.
  struct Subject {
    enum class Kind : std::uint8_t { Account, AppPassword, Client, Domain, All };
    Kind kind;
    std::string key;
    LimitSet own;  ///< when it has limits of its own
    const LimitSet* shared = nullptr;
    [[nodiscard]] const LimitSet& limits() const { return shared != nullptr ? *shared : own; }
  };
  [[nodiscard]] std::vector<Subject> subjects(const Sender& sender) const;
  [[nodiscard]] static std::string name_of(const Subject& subject, const Sender& sender);
  [[nodiscard]] Verdict check_locked(const std::vector<Subject>& subjects, const Sender& sender,
                                     const Tally& tally);
  [[nodiscard]] Use& use_of(const std::string& key);
  void touch(const std::string& key, Use& use);
  void make_room();
  void save_forever();

  LimitConfig config_;
  const Clock& clock_;
  LimitMetrics* metrics_ = nullptr;
  std::mutex mutex_;
  std::unordered_map<std::string, Use> uses_;
  std::vector<std::string> dirty_;
  std::unique_ptr<UseStore> store_;
  std::mutex saving_;  // one save() at a time; taken before mutex_
  bool stopping_ = false;
  std::condition_variable wake_;
  std::thread saver_;
};

}  // namespace postern::guard
