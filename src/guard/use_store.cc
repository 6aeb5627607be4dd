#include "guard/use_store.h"

#include "store/set_aside.h"

namespace postern::guard {
namespace {
const std::vector<std::string> kSchema{
    "CREATE TABLE use(key PRIMARY KEY, last INTEGER NOT NULL, octets NOT NULL) WITHOUT ROWID;"};
}

Result<std::unique_ptr<UseStore>> UseStore::open(const std::string& path) {
  return store::open_or_begin_again(
      path, "what was counted before is forgotten: limits and lock-outs begin anew", open_file);
}

Result<std::unique_ptr<UseStore>> UseStore::open_file(const std::string& path) {
  POSTERN_TRY(store::Database writer, store::Database::open(path, store::Database::Sync::Normal));
  POSTERN_CHECK(writer.migrate(kSchema));
  POSTERN_TRY(store::Database reader, store::Database::open(path, store::Database::Sync::Normal));
  POSTERN_CHECK(reader.prepare("SELECT key,last,octets FROM use"));  // the table is there, and can be read
  return std::unique_ptr<UseStore>(new UseStore(std::move(reader), std::move(writer)));
}

Result<std::string> UseStore::read(const std::string& key) {
  if (!select_) {
    POSTERN_TRY(select_, reader_.prepare("SELECT octets FROM use WHERE key=?"));
  }
  POSTERN_TRY(const bool found, select_->bind(std::string_view(key)).step());
  std::string octets = found ? select_->text(0) : "";
  select_->reset();  // ends the read, so that the log can be checkpointed
  return octets;
}

Result<> UseStore::write(const std::vector<Row>& rows) {
  if (!replace_) {
    POSTERN_TRY(replace_, writer_.prepare("INSERT OR REPLACE INTO use(key,last,octets) VALUES(?,?,?)"));
  }
  POSTERN_TRY(store::Transaction transaction, store::Transaction::begin(writer_));
  for (const Row& row : rows) {
    const std::int64_t last = row.last.time_since_epoch().count();
    POSTERN_CHECK(replace_->bind(std::string_view(row.key), last, std::string_view(row.octets)).run());
  }
  return transaction.commit();
}

Result<> UseStore::forget_before(TimePoint when) {
  POSTERN_TRY(store::Statement statement, writer_.prepare("DELETE FROM use WHERE last<?"));
  const std::int64_t last = when.time_since_epoch().count();
  return statement.bind(last).run();
}

}  // namespace postern::guard
