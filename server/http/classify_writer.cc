#include "server/http/classify_writer.h"

#include <charconv>
#include <cstring>

#include "server/http/classify_reader.h"
#include "server/http/json_writer.h"

namespace reelsense::server {

namespace {

// A short piece of JSON put together on the stack and appended at once: a label is written without one
// reallocation check a member.
class Piece {
 public:
  explicit Piece(std::string& out) : out_(out) {}
  ~Piece() { out_.append(text_, at_); }
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;

  template <std::size_t N>
  Piece& text(const char (&literal)[N]) {
    std::memcpy(at_, literal, N - 1);
    at_ += N - 1;
    return *this;
  }
  template <class Number>
  Piece& number(Number value) {
    at_ = std::to_chars(at_, text_ + sizeof text_, value).ptr;
    return *this;
  }
  Piece& flag(bool value) { return value ? text("true") : text("false"); }

 private:
  // The longest label: 140 bytes of literals, 3 integers and 2 floats of at most 20 digits.
  char text_[256];
  char* at_ = text_;
  std::string& out_;
};

void write_label(const Answer& answer, const ServedModel* other_model, std::string_view flow,
                 std::string& out) {
  out += "{\"flow\":";
  out += flow;
  const bool answered = answer.code == AnswerCode::kOk || answer.code == AnswerCode::kRepeated;
  {
    Piece piece(out);
    piece.text(",\"second\":").number(answer.second);
    if (answered) {
      const Decision& decision = answer.decision;
      if (decision.label == Label::kVideo) {
        piece.text(",\"label\":\"video\",\"confidence\":");
      } else {
        piece.text(",\"label\":\"non-video\",\"confidence\":");
      }
      piece.number(decision.confidence).text(",\"probability\":").number(decision.probability);
      piece.text(",\"uncertain\":").flag(decision.uncertain);
      if (answer.code == AnswerCode::kRepeated) piece.text(",\"repeated\":true");
      if (answer.restarted) piece.text(",\"restarted\":true");
      piece.text(",\"queue_us\":").number(answer.queue_us).text(",\"compute_us\":").number(answer.compute_us);
    }
  }
  if (!answered) {
    out += ",\"error\":\"";
    out += name_of(answer.code);
    out += '"';
  } else if (other_model != nullptr) {
    JsonWriter(out).field("model", other_model->id());
  }
  out += '}';
}

}  // namespace

std::optional<Problem> problem_of_answers(const Job& job) {
  if (job.answers.empty()) return std::nullopt;
  const AnswerCode code = job.answers.front().code;
  for (const Answer& answer : job.answers) {
    if (answer.code != code) return std::nullopt;
  }
  switch (code) {
    case AnswerCode::kDeadline:
      return Problem::of(ProblemType::kDeadline, "no window was answered in time");
    case AnswerCode::kInternal:
      return Problem::of(ProblemType::kInternal, "the model failed on every window");
    case AnswerCode::kCancelled:
      return Problem::of(ProblemType::kDraining, "the server is shutting down");
    default:
      return std::nullopt;
  }
}

void write_labels(const Job& job, std::string_view request, std::string& out) {
  constexpr std::size_t kLabelBytes = 192;  // a guess that is seldom too small
  out.reserve(out.size() + 64 + job.answers.size() * kLabelBytes);
  JsonWriter json(out);
  json.begin_object().field("model", job.model->id()).key("labels").begin_array();
  bool first = true;
  for (const Answer& answer : job.answers) {
    const Job::Flow& flow = job.flows[answer.flow];
    const RawName name = RawName::of(flow.tag);
    const ServedModel* other = flow.model && flow.model != job.model ? flow.model.get() : nullptr;
    if (!first) out += ',';
    first = false;
    write_label(answer, other, request.substr(name.offset, name.length), out);
  }
  json.end_array().end_object();
}

}  // namespace reelsense::server
