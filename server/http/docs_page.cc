#include "server/http/docs_page.h"

#include <nlohmann/json.hpp>

#include "server/http/problem.h"

namespace reelsense::server {

namespace {

using Json = nlohmann::ordered_json;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// The document's prose: `code` and paragraphs.
std::string prose(std::string_view text) {
  std::string out;
  bool code = false;
  for (const char c : escape(text)) {
    if (c == '`') {
      out += code ? "</code>" : "<code>";
      code = !code;
    } else {
      out += c;
    }
  }
  for (std::size_t at = 0; (at = out.find("\n\n", at)) != std::string::npos;) out.replace(at, 2, "</p><p>");
  return out;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

class Page {
 public:
  explicit Page(const Json& document) : document_(document) {}

  std::string html() {
    const Json& info = document_["info"];
    out_ =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>" +
        escape(text_of(info, "title")) + " REST API</title><style>" + std::string(docs_style()) +
        "</style></head><body><div class=\"page\">";
    navigation();
    out_ += "<main><h1>" + escape(text_of(info, "title")) + " REST API</h1><p class=\"lead\">Version " +
            escape(text_of(info, "version")) + " · " + escape(text_of(info, "summary")) +
            " · <a href=\"/openapi.json\">OpenAPI document</a></p><p>" + prose(text_of(info, "description")) +
            "</p>";
    security();
    for (const Json& tag : document_["tags"]) tag_section(tag);
    schemas();
    problems();
    out_ += "</main></div></body></html>\n";
    return std::move(out_);
  }

 private:
  // Calls each(path, path item, method, operation) for the operations of a tag.
  template <class Each>
  void each_operation(const std::string& tag, Each each) {
    for (const auto& [path, item] : document_["paths"].items()) {
      for (const auto& [method, operation] : item.items()) {
        if (operation.is_object() && operation["tags"][0] == tag) each(path, item, method, operation);
      }
    }
  }

  static std::string anchor(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == ' ' ? '-' : c;
    return out;
  }

  static std::string method_text(const std::string& method) {
    return "<span class=\"method " + method + "\">" + method + "</span>";
  }

  void navigation() {
    out_ += "<nav><a href=\"#top\"><strong>Reelsense</strong></a>";
    for (const Json& tag : document_["tags"]) {
      const std::string name = text_of(tag, "name");
      out_ += "<h2>" + escape(name) + "</h2><ul>";
      each_operation(
          name, [&](const std::string& path, const Json&, const std::string& method, const Json& operation) {
            out_ += "<li><a href=\"#" + text_of(operation, "operationId") + "\" title=\"" + method + " " +
                    escape(path) + "\">" + escape(text_of(operation, "summary")) + "</a></li>";
          });
      out_ += "</ul>";
    }
    out_ +=
        "<h2>Reference</h2><ul><li><a href=\"#schemas\">Schemas</a></li><li><a "
        "href=\"#problems\">Problems</a></li>"
        "</ul></nav>";
  }

  void security() {
    out_ += "<h2 id=\"top\">Authentication</h2><table>";
    for (const auto& [name, scheme] : document_["components"]["securitySchemes"].items()) {
      out_ += "<tr><td><code>" + escape(name) + "</code></td><td>" + prose(text_of(scheme, "description")) +
              "</td></tr>";
    }
    out_ += "</table><p>A server without a keys file and client certificates asks nobody who they are.</p>";
  }

  void tag_section(const Json& tag) {
    const std::string name = text_of(tag, "name");
    out_ += "<h2 id=\"" + anchor(name) + "\">" + escape(name) + "</h2><p>" +
            prose(text_of(tag, "description")) + "</p>";
    each_operation(name, [&](const std::string& path, const Json& item, const std::string& method,
                             const Json& operation) { this->operation(path, item, method, operation); });
  }

  void operation(const std::string& path, const Json& item, const std::string& method,
                 const Json& operation) {
    out_ += "<section class=\"operation\" id=\"" + text_of(operation, "operationId") + "\"><header>" +
            method_text(method) + "<code>" + escape(path) + "</code><h3>" +
            escape(text_of(operation, "summary")) + "</h3><span class=\"scope\">" +
            escape(scope_of(operation)) + "</span></header>";
    const std::string description = text_of(operation, "description");
    if (!description.empty()) out_ += "<p>" + prose(description) + "</p>";
    parameters(item, operation);
    if (operation.contains("requestBody")) request_body(path, method, operation["requestBody"]);
    responses(operation["responses"]);
    out_ += "</section>";
  }

  static std::string scope_of(const Json& operation) {
    const auto security = operation.find("security");
    if (security == operation.end() || security->empty()) return "open";
    return "scope " + (*security)[0].begin().value()[0].get<std::string>();
  }

  // The object that {"$ref": "#/…"} points to, or itself.
  const Json& resolve(const Json& node) const {
    const auto reference = node.find("$ref");
    if (reference == node.end()) return node;
    return document_.at(Json::json_pointer(reference->get<std::string>().substr(1)));
  }

  void parameters(const Json& item, const Json& operation) {
    std::string rows;
    for (const Json* list :
         {item.contains("parameters") ? &item["parameters"] : nullptr, &operation["parameters"]}) {
      if (list == nullptr) continue;
      for (const Json& entry : *list) {
        const Json& parameter = resolve(entry);
        if (text_of(parameter, "name") == "X-Request-Id") continue;  // every request may have it
        const Json& schema = resolve(parameter["schema"]);
        std::string what = text_of(parameter, "description");
        if (what.empty()) what = text_of(schema, "description");
        rows += "<tr><td><code>" + escape(text_of(parameter, "name")) + "</code></td><td class=\"type\">" +
                escape(text_of(parameter, "in")) + "</td><td class=\"type\">" + type_of(parameter["schema"]) +
                "</td><td>" + prose(what) + "</td></tr>";
      }
    }
    if (!rows.empty()) out_ += "<h4>Parameters</h4><table>" + rows + "</table>";
  }

  void request_body(const std::string& path, const std::string& method, const Json& body) {
    out_ += "<h4>Body</h4>";
    const std::string description = text_of(body, "description");
    if (!description.empty()) out_ += "<p>" + prose(description) + "</p>";
    for (const auto& [type, content] : body["content"].items()) {
      out_ += "<p><code>" + escape(type) + "</code> <span class=\"type\">" + type_of(content["schema"]) +
              "</span></p>";
      const auto example = content.find("example");
      if (example == content.end()) continue;
      std::string json = example->dump();
      constexpr std::size_t kReadable = 400;
      if (json.size() > kReadable) continue;
      std::string verb = method;
      for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      out_ += "<pre>" +
              escape("curl -X " + verb + " http://127.0.0.1:8080" + path +
                     " \\\n  -H 'Content-Type: application/json' \\\n  -d '" + json + "'") +
              "</pre>";
    }
  }

  void responses(const Json& responses) {
    std::string failures;
    out_ += "<h4>Answers</h4><table>";
    for (const auto& [status, entry] : responses.items()) {
      const Json& response = resolve(entry);
      if (status[0] != '2' && status[0] != '3') {
        failures += (failures.empty() ? "" : ", ") +
                    ("<a href=\"#problems\" title=\"" + escape(text_of(response, "description")) + "\">" +
                     escape(status) + "</a>");
        continue;
      }
      std::string what = prose(text_of(response, "description"));
      if (response.contains("content")) {
        for (const auto& [type, content] : response["content"].items()) {
          what += " <span class=\"type\">" + escape(type) + " " + type_of(content["schema"]) + "</span>";
          const auto example = content.find("example");
          if (example != content.end()) what += "<pre>" + escape(example->dump(2)) + "</pre>";
        }
      }
      out_ += "<tr><td><code>" + escape(status) + "</code></td><td>" + what + "</td></tr>";
    }
    out_ += "</table><p class=\"failures\">Fails with " + failures + ".</p>";
  }

  // A schema in a few words, with a link where it has a name.
  std::string type_of(const Json& schema) const {
    if (schema.contains("$ref")) {
      const std::string reference = schema["$ref"].get<std::string>();
      const std::string name = reference.substr(reference.rfind('/') + 1);
      return "<a href=\"#schema-" + name + "\">" + name + "</a>";
    }
    if (schema.contains("enum")) return alternatives(schema["enum"]);
    if (schema.contains("const")) return "<code>" + escape(schema["const"].dump()) + "</code>";
    if (schema.contains("oneOf")) return type_of(schema["oneOf"][0]) + " or " + type_of(schema["oneOf"][1]);
    if (!schema.contains("type")) return "any";
    if (schema["type"].is_array()) {
      std::string out;
      for (const Json& type : schema["type"]) out += (out.empty() ? "" : " or ") + type.get<std::string>();
      return out;
    }
    std::string type = text_of(schema, "type");
    if (type == "array")
      return schema.contains("items") && schema["items"].is_object() ? "array of " + type_of(schema["items"])
                                                                     : "array";
    const bool least = schema.contains("minimum");
    const bool most = schema.contains("maximum");
    if (least && most) return type + " " + schema["minimum"].dump() + " … " + schema["maximum"].dump();
    if (least) return type + " ≥ " + schema["minimum"].dump();
    return type;
  }

  static std::string alternatives(const Json& values) {
    std::string out;
    for (const Json& value : values) {
      out += (out.empty() ? "" : ", ") +
             ("<code>" + escape(value.is_string() ? value.get<std::string>() : value.dump())) + "</code>";
    }
    return out;
  }

  void schemas() {
    out_ += "<h2 id=\"schemas\">Schemas</h2>";
    for (const auto& [name, schema] : document_["components"]["schemas"].items()) {
      out_ += "<section class=\"operation\" id=\"schema-" + name + "\"><h3>" + name + "</h3>";
      const std::string description = text_of(schema, "description");
      if (!description.empty()) out_ += "<p>" + prose(description) + "</p>";
      if (schema.contains("properties")) {
        members(schema);
      } else {
        out_ += "<p class=\"type\">" + type_of(schema) + "</p>";
        if (schema.contains("items") && schema["items"].is_object() &&
            schema["items"].contains("properties")) {
          members(schema["items"]);
        }
      }
      out_ += "</section>";
    }
  }

  void members(const Json& schema) {
    out_ += "<table>";
    for (const auto& [name, property] : schema["properties"].items()) {
      bool required = false;
      if (schema.contains("required")) {
        for (const Json& one : schema["required"]) required = required || one == name;
      }
      std::string what = prose(text_of(property, "description"));
      if (what.empty()) what = prose(text_of(resolve(property), "description"));
      out_ += "<tr><td><code>" + escape(name) + "</code></td><td class=\"type\">" + type_of(property) +
              (required ? "" : ", optional") + "</td><td>" + what + "</td></tr>";
    }
    out_ += "</table>";
  }

  void problems() {
    out_ +=
        "<h2 id=\"problems\">Problems</h2><p>Every error is a <a href=\"#schema-Problem\">Problem</a>; its "
        "<code>type</code> is one of these.</p><table>";
    for (const ProblemDefinition& problem : problem_definitions()) {
      const std::string slug(problem.slug);
      out_ += "<tr id=\"problem-" + slug + "\"><td><code>/problems/" + slug + "</code></td><td><code>" +
              std::to_string(problem.status) + "</code></td><td>" + prose(problem.title) + ". " +
              prose(problem.meaning) + "</td></tr>";
    }
    out_ += "</table>";
  }

  Json document_;
  std::string out_;
};

}  // namespace

Result<Docs> make_docs(const std::string& version) {
  try {
    Json document = Json::parse(openapi_source());
    document["info"]["version"] = version;
    return Docs{document.dump(), Page(document).html()};
  } catch (const nlohmann::json::exception& error) {
    return Error{ErrorCode::kCorrupt, std::string("openapi.json: ") + error.what()};
  }
}

}  // namespace reelsense::server
