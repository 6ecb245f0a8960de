// A strict reader of the Prometheus text format for tests: everything that promtool would refuse, it refuses.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace reelsense::server {

class CheckedExposition {
 public:
  explicit CheckedExposition(const std::string& text) {
    if (text.empty() || text.back() != '\n') fail("does not end with a line feed", "");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) read(line);
    check_histograms();
  }

  [[nodiscard]] const std::string& error() const { return error_; }  // empty: well-formed
  [[nodiscard]] const std::map<std::string, std::string>& types() const { return types_; }
  // "name{a=\"b\"}" as it stands in the text; NaN if there is none.
  [[nodiscard]] double value(const std::string& series) const {
    const auto found = samples_.find(series);
    return found == samples_.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
  }
  [[nodiscard]] bool has(const std::string& series) const { return samples_.contains(series); }
  [[nodiscard]] std::size_t count(const std::string& name) const {
    std::size_t n = 0;
    for (const auto& [series, value] : samples_)
      n += series == name || series.starts_with(name + "{") ? 1 : 0;
    return n;
  }

 private:
  void fail(const std::string& what, const std::string& line) {
    if (error_.empty()) error_ = what + ": " + line;
  }

  // Takes a name off the front of `rest`: [a-z_:][a-z0-9_:]*; empty: there is none.
  static std::string take_name(std::string_view& rest) {
    std::size_t n = 0;
    while (n < rest.size() && (rest[n] == '_' || rest[n] == ':' || (rest[n] >= 'a' && rest[n] <= 'z') ||
                               (n > 0 && rest[n] >= '0' && rest[n] <= '9'))) {
      ++n;
    }
    const std::string name(rest.substr(0, n));
    rest.remove_prefix(n);
    return name;
  }
  static bool take(std::string_view& rest, std::string_view what) {
    if (!rest.starts_with(what)) return false;
    rest.remove_prefix(what.size());
    return true;
  }
  // One label, `name="value"`, with the escapes \\, \" and \n in its value.
  static bool take_label(std::string_view& rest) {
    if (take_name(rest).empty() || !take(rest, "=\"")) return false;
    while (!rest.empty() && rest.front() != '"') {
      if (rest.front() == '\\' && (rest.size() < 2 || std::string_view("\\\"n").find(rest[1]) == rest.npos))
        return false;
      rest.remove_prefix(rest.front() == '\\' ? 2 : 1);
    }
    return take(rest, "\"");
  }

  void read(const std::string& line) {
    std::string_view rest = line;
    if (take(rest, "# HELP ")) {
      current_ = take_name(rest);
      if (current_.empty() || !take(rest, " ") || rest.empty()) fail("bad HELP", line);
      if (!helped_.insert(current_).second) fail("second HELP", line);
    } else if (take(rest, "# TYPE ")) {
      if (take_name(rest) != current_) fail("TYPE does not follow its HELP", line);
      if (rest != " counter" && rest != " gauge" && rest != " histogram") return fail("bad TYPE", line);
      if (!types_.emplace(current_, rest.substr(1)).second) fail("second TYPE", line);
      if (rest == " counter" && !current_.ends_with("_total")) fail("counter without _total", line);
    } else {
      read_sample(rest, line);
    }
  }

  void read_sample(std::string_view rest, const std::string& line) {
    const std::string name = take_name(rest);
    if (name.empty()) return fail("neither HELP, TYPE nor sample", line);
    std::string labels;
    if (take(rest, "{")) {
      const char* const begin = rest.data();
      do {
        if (!take_label(rest)) return fail("bad label", line);
      } while (take(rest, ","));
      labels.assign(begin, rest.data());
      if (!take(rest, "}")) return fail("labels without end", line);
    }
    if (!take(rest, " ") || rest.find(' ') != rest.npos) return fail("no value, or more than that", line);
    sample(name, labels, std::string(rest), line);
  }

  void sample(const std::string& name, const std::string& labels, const std::string& number,
              const std::string& line) {
    std::string base = name;
    const auto type = types_.find(current_);
    if (type == types_.end()) return fail("sample before its TYPE", line);
    if (type->second == "histogram") {
      for (const char* suffix : {"_bucket", "_sum", "_count"}) {
        if (name == current_ + suffix) base = current_;
      }
    }
    if (base != current_) fail("sample of another family", line);
    std::size_t used = 0;
    double value = 0;
    try {
      value = std::stod(number, &used);
    } catch (const std::exception&) {
      return fail("not a number", line);
    }
    if (used != number.size()) fail("not a number", line);
    if (type->second != "gauge" && !(value >= 0)) fail("negative", line);
    const std::string series = labels.empty() ? name : name + "{" + labels + "}";
    if (!samples_.emplace(series, value).second) fail("second sample", line);
    if (name == current_ + "_bucket") bucket(labels, value, line);
  }

  // `le` is the last label; buckets rise and so do their counts.
  void bucket(const std::string& labels, double value, const std::string& line) {
    const std::size_t at = labels.rfind("le=\"");
    if (at == std::string::npos) return fail("bucket without le", line);
    const std::string others = at == 0 ? "" : labels.substr(0, at - 1);
    const double bound = std::stod(labels.substr(at + 4));
    Last& last = buckets_[{current_, others}];
    if (!(bound > last.bound) || value < last.count) fail("buckets do not rise", line);
    last = {bound, value};
  }

  void check_histograms() {
    for (const auto& [key, last] : buckets_) {
      const std::string labels = key.second.empty() ? "" : "{" + key.second + "}";
      if (!std::isinf(last.bound)) fail("no bucket +Inf", key.first);
      if (value(key.first + "_count" + labels) != last.count)
        fail("_count is not the last bucket", key.first);
      if (!has(key.first + "_sum" + labels)) fail("no _sum", key.first);
    }
  }

  struct Last {
    double bound = -std::numeric_limits<double>::infinity();
    double count = 0;
  };
  std::string error_;
  std::string current_;
  std::set<std::string> helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, double> samples_;
  std::map<std::pair<std::string, std::string>, Last> buckets_;
};

}  // namespace reelsense::server
