#include "server/http/router.h"

namespace reelsense::server {

namespace {

// Segment by segment; {…} takes any that is not empty.
bool matches(std::string_view pattern, std::string_view path,
             std::array<std::string_view, Request::kMostParameters>& parameters) noexcept {
  std::size_t count = 0;
  while (true) {
    const std::size_t brace = pattern.find('{');
    const std::string_view literal = pattern.substr(0, brace);
    if (brace == std::string_view::npos) return path == literal;
    if (!path.starts_with(literal)) return false;
    path.remove_prefix(literal.size());
    pattern.remove_prefix(pattern.find('}') + 1);
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end == 0 || count == parameters.size()) return false;
    parameters[count++] = path.substr(0, end);
    path.remove_prefix(end);
  }
}

}  // namespace

RouteMatch find_route(std::span<const Route> table, Method method, std::string_view path) {
  const Method wanted = method == Method::kHead ? Method::kGet : method;
  RouteMatch match;
  for (const Route& route : table) {
    if (route.method == wanted && matches(route.pattern, path, match.parameters)) {
      match.route = &route;
      return match;
    }
  }
  for (const Route& route : table) {
    if (!matches(route.pattern, path, match.parameters)) continue;
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += name_of(route.method);
    if (route.method == Method::kGet) match.allowed += ", HEAD";
  }
  return match;
}

}  // namespace reelsense::server
