// /v1/analyses: captures in, labels out.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "server/analyses/analyses.h"
#include "server/http/handlers.h"
#include "server/http/json_writer.h"
#include "server/http/utf8.h"

namespace reelsense::server {

namespace {

constexpr std::size_t kLongestName = 256;

// A file descriptor that closes itself.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

class CaptureUpload final : public Upload {
 public:
  CaptureUpload(Analyses& analyses, std::filesystem::path path, std::string name,
                std::shared_ptr<const ServedModel> model)
      : analyses_(analyses),
        path_(std::move(path)),
        file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)),
        name_(std::move(name)),
        model_(std::move(model)) {}
  ~CaptureUpload() override {
    if (!submitted_) analyses_.discard(path_);
  }

  [[nodiscard]] bool is_open() const noexcept { return file_.get() >= 0; }

  std::optional<Problem> write(std::string_view part) override {
    while (!part.empty()) {
      const ssize_t written = ::write(file_.get(), part.data(), part.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const bool full = errno == ENOSPC || errno == EDQUOT;
        return Problem::of(full ? ProblemType::kDiskFull : ProblemType::kInternal,
                           std::string("the capture could not be stored: ") + std::strerror(errno));
      }
      part.remove_prefix(static_cast<std::size_t>(written));
    }
    return std::nullopt;
  }

  void finish(Exchange& exchange) override {
    submitted_ = true;  // it is the analyses' now, whatever they say
    const Result<std::string> id = analyses_.submit(path_, name_, model_, exchange.principal());
    if (!id.ok()) {
      analyses_.discard(path_);
      Problem problem = problem_of(id.error());
      if (id.error().code == ErrorCode::kLimit) problem.retry_after_s = 10;
      return exchange.fail(std::move(problem));
    }
    exchange.add_header("Location", "/v1/analyses/" + id.value());
    JsonWriter(exchange.body()).begin_object().field("id", id.value()).field("state", "waiting").end_object();
    exchange.send(202);
  }

 private:
  Analyses& analyses_;
  std::filesystem::path path_;
  File file_;
  std::string name_;
  std::shared_ptr<const ServedModel> model_;
  bool submitted_ = false;
};

class FileDownload final : public Download {
 public:
  explicit FileDownload(int descriptor) : file_(descriptor) {}
  Status read(std::string& part, std::size_t most) override {
    part.resize(most);
    ssize_t got = 0;
    do {
      got = ::read(file_.get(), part.data(), part.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) return Error{ErrorCode::kIo, std::string("labels: ") + std::strerror(errno)};
    part.resize(static_cast<std::size_t>(got));
    return ok_status();
  }

 private:
  File file_;
};

// Whose analyses this principal sees: an administrator everybody's.
std::optional<std::uint32_t> seen_by(const Exchange& exchange) {
  const auto& principal = exchange.request().principal;
  if (!principal || principal->may(Scope::kAdmin)) return std::nullopt;
  return principal->id;
}

void write_analysis(const AnalysisView& view, JsonWriter& json) {
  json.begin_object().field("id", view.id).field("state", name_of(view.state)).field("model", view.model);
  json.field("name", view.name)
      .field("progress", view.progress)
      .field("submitted", time_text(view.submitted_ms));
  if (view.finished_ms != 0) json.field("finished", time_text(view.finished_ms));
  if (!view.error.empty()) json.field("error", view.error);
  if (!view.warning.empty()) json.field("warning", view.warning);
  const AnalysisView::Summary& summary = view.summary;
  json.key("summary").begin_object();
  json.field("packets", summary.packets).field("skipped", summary.skipped).field("flows", summary.flows);
  json.field("windows", summary.windows).field("video_windows", summary.video_windows);
  json.field("uncertain_windows", summary.uncertain_windows).field("bytes_down", summary.bytes_down);
  json.field("video_bytes_down", summary.video_bytes_down).field("capture_s", summary.capture_s);
  json.field("elapsed_s", summary.elapsed_s).end_object().end_object();
}

std::string path_id(const Exchange& exchange) {
  return std::string(exchange.request().parameters[0]);
}

void unknown_analysis(Exchange& exchange) {
  exchange.fail(Problem::of(ProblemType::kNotFound, "no analysis of that id"));
}

std::optional<Problem> read_name(const Request& request, std::string& name) {
  name = request.query_value("name").value_or("capture");
  if (name.size() > kLongestName) {
    return Problem::at("name", "longer than " + std::to_string(kLongestName) + " bytes");
  }
  if (!is_utf8(name)) return Problem::at("name", "is not UTF-8");
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Upload> open_analysis_upload(Exchange& exchange) {
  const Request& request = exchange.request();
  std::string name;
  if (std::optional<Problem> problem = read_name(request, name)) {
    exchange.fail(std::move(*problem));
    return nullptr;
  }
  auto model = exchange.services().models.get(request.query_value("model").value_or(""));
  if (!model.ok()) {
    exchange.fail(Problem::of(ProblemType::kUnknownModel, model.error().message));
    return nullptr;
  }
  Analyses& analyses = exchange.services().analyses;
  Result<std::filesystem::path> path = analyses.new_upload();
  if (!path.ok()) {
    exchange.fail(problem_of(path.error()));
    return nullptr;
  }
  auto upload =
      std::make_unique<CaptureUpload>(analyses, path.value(), std::move(name), std::move(model).value());
  if (upload->is_open()) return upload;
  exchange.fail(Problem::of(ProblemType::kInternal, std::string("upload: ") + std::strerror(errno)));
  return nullptr;
}

void handle_analyses(Exchange& exchange) {
  JsonWriter json(exchange.body());
  json.begin_object().key("analyses").begin_array();
  for (const AnalysisView& view : exchange.services().analyses.list(seen_by(exchange)))
    write_analysis(view, json);
  json.end_array().end_object();
  exchange.send(200);
}

void handle_analysis(Exchange& exchange) {
  const auto view = exchange.services().analyses.find(path_id(exchange), seen_by(exchange));
  if (!view) return unknown_analysis(exchange);
  JsonWriter json(exchange.body());
  write_analysis(*view, json);
  exchange.send(200);
}

void handle_analysis_labels(Exchange& exchange) {
  Analyses& analyses = exchange.services().analyses;
  const auto view = analyses.find(path_id(exchange), seen_by(exchange));
  if (!view) return unknown_analysis(exchange);
  const auto path = analyses.labels(path_id(exchange), seen_by(exchange));
  if (!path) {
    return exchange.fail(Problem::of(ProblemType::kConflict,
                                     std::string("the analysis is ") + name_of(view->state) + ", not done"));
  }
  // Opened here: what is deleted while it is sent is sent to its end.
  const int descriptor = ::open(path->c_str(), O_RDONLY | O_CLOEXEC);
  const off_t bytes = descriptor < 0 ? -1 : ::lseek(descriptor, 0, SEEK_END);
  auto download = std::make_unique<FileDownload>(descriptor);
  if (bytes < 0 || ::lseek(descriptor, 0, SEEK_SET) != 0) {
    return exchange.fail(Problem::of(ProblemType::kInternal, std::string("labels: ") + std::strerror(errno)));
  }
  exchange.send_download(std::move(download), static_cast<std::uint64_t>(bytes), "text/csv; charset=utf-8");
}

void handle_analysis_delete(Exchange& exchange) {
  if (!exchange.services().analyses.remove(path_id(exchange), seen_by(exchange)))
    return unknown_analysis(exchange);
  exchange.send_empty(204);
}

}  // namespace reelsense::server
