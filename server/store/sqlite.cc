#include "server/store/sqlite.h"

namespace reelsense::server {

Error last_error(sqlite3* database) {
  if (database == nullptr) return {ErrorCode::kIo, "SQLite: out of memory"};
  const char* file = sqlite3_db_filename(database, "main");
  const std::string where = file == nullptr ? "" : std::string(file) + ": ";
  const int code = sqlite3_errcode(database) & 0xff;
  if (code == SQLITE_NOTADB) return {ErrorCode::kCorrupt, where + "is not an SQLite file"};
  const std::string text = where + "SQLite: " + sqlite3_errmsg(database);
  return {code == SQLITE_CORRUPT ? ErrorCode::kCorrupt : ErrorCode::kIo, text};
}

Statement& Statement::bind(int index, std::int64_t value) noexcept {
  sqlite3_bind_int64(handle_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text64(handle_.get(), index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  sqlite3_bind_blob64(handle_.get(), index, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_real(int index, double value) noexcept {
  sqlite3_bind_double(handle_.get(), index, value);
  return *this;
}

Statement& Statement::bind_null(int index) noexcept {
  sqlite3_bind_null(handle_.get(), index);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = last_error(sqlite3_db_handle(handle_.get()));
  reset();
  return error;
}

Status Statement::run() {
  Result<bool> row = step();
  if (!row) return row.error();
  if (row.value()) reset();
  return ok_status();
}

Result<std::int64_t> Statement::number() {
  Result<bool> row = step();
  if (!row) return row.error();
  const std::int64_t value = row.value() ? integer(0) : 0;
  reset();
  return value;
}

std::string Statement::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(handle_.get(), column);
  if (bytes == nullptr) return {};
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

std::string_view Statement::blob(int column) const noexcept {
  const void* bytes = sqlite3_column_blob(handle_.get(), column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

Result<Database> Database::open(const std::filesystem::path& file, int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  Database database;
  database.handle_.reset(handle);  // SQLite makes one even if it cannot open the file
  if (code != SQLITE_OK) {
    const std::string reason = handle == nullptr ? "out of memory" : sqlite3_errmsg(handle);
    return Error{ErrorCode::kIo, file.string() + ": cannot be opened: " + reason};
  }
  sqlite3_extended_result_codes(handle, 1);
  return database;
}

Status Database::exec(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return last_error(handle_.get());
  }
  return ok_status();
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement, nullptr) != SQLITE_OK) {
    return last_error(handle_.get());
  }
  Statement out;
  out.handle_.reset(statement);
  return out;
}

Result<std::int64_t> Database::number(std::string_view sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return statement.error();
  return statement.value().number();
}

Result<std::string> Database::text(std::string_view sql) {
  Result<Statement> statement = prepare(sql);
  if (!statement) return statement.error();
  Result<bool> row = statement.value().step();
  if (!row) return row.error();
  return row.value() ? statement.value().text(0) : std::string();
}

bool Database::moved() const noexcept {
  int moved = 0;
  if (handle_ == nullptr) return true;
  return sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
         moved != 0;
}

}  // namespace reelsense::server
