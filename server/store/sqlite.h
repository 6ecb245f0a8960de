// A thin layer over SQLite's C API: owners for connections and statements, errors that name the file.
// Thread safety: none; a connection and its statements belong to one thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "reelsense/base/result.h"

namespace reelsense::server {

// A prepared statement. Must not outlive its connection.
class Statement {
 public:
  Statement() = default;

  Statement& bind(int index, std::int64_t value) noexcept;
  Statement& bind(int index, std::string_view text);        // copied
  Statement& bind_blob(int index, std::string_view bytes);  // copied
  Statement& bind_real(int index, double value) noexcept;
  Statement& bind_null(int index) noexcept;

  // True: there is a row. After false or an error it is reset and may be bound again.
  Result<bool> step();
  // For statements without rows.
  Status run();
  // The first column of the first row; 0 if there is none.
  Result<std::int64_t> number();
  void reset() noexcept { sqlite3_reset(handle_.get()); }

  [[nodiscard]] std::int64_t integer(int column) const noexcept {
    return sqlite3_column_int64(handle_.get(), column);
  }
  [[nodiscard]] double real(int column) const noexcept {
    return sqlite3_column_double(handle_.get(), column);
  }
  [[nodiscard]] std::string text(int column) const;
  // Lives until the next step().
  [[nodiscard]] std::string_view blob(int column) const noexcept;
  [[nodiscard]] bool is_null(int column) const noexcept {
    return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
  }
  [[nodiscard]] sqlite3_stmt* handle() const noexcept { return handle_.get(); }

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

class Database {
 public:
  Database() = default;
  // `flags`: SQLITE_OPEN_….
  static Result<Database> open(const std::filesystem::path& file, int flags);

  Status exec(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  // The first column of the first row; 0 if there is none.
  Result<std::int64_t> number(std::string_view sql);
  Result<std::string> text(std::string_view sql);

  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }
  // True if the file was removed, renamed or replaced since it was opened.
  [[nodiscard]] bool moved() const noexcept;
  void close() noexcept { handle_.reset(); }
  [[nodiscard]] sqlite3* handle() const noexcept { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

// Runs `body`, which returns a Status, in a transaction that is on the disk when this returns. If it fails,
// nothing is changed.
template <class Body>
Status durably(Database& database, Body body) {
  // A commit in mode FULL waits until the write-ahead log is on the disk.
  Status done = database.exec("PRAGMA synchronous=FULL; BEGIN IMMEDIATE");
  if (done) done = body();
  if (done) done = database.exec("COMMIT");
  // Some errors end the transaction by themselves.
  if (!done && sqlite3_get_autocommit(database.handle()) == 0) (void)database.exec("ROLLBACK");
  (void)database.exec("PRAGMA synchronous=NORMAL");
  return done;
}

// What went wrong last on the connection, with the file in front. kCorrupt for damaged files and those that
// are not SQLite, else kIo.
Error last_error(sqlite3* database);

}  // namespace reelsense::server
