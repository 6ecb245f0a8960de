# openapi.json and docs.css as string literals: <build>/server/http/embedded.cc, made anew when one changes.
set(http_dir ${CMAKE_CURRENT_LIST_DIR})
foreach(name openapi.json docs.css)
  string(MAKE_C_IDENTIFIER ${name} variable)
  file(READ ${http_dir}/${name} embedded_${variable})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${http_dir}/${name})
endforeach()
configure_file(${http_dir}/embedded.cc.in ${CMAKE_CURRENT_BINARY_DIR}/http/embedded.cc @ONLY)
target_sources(server_http PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/http/embedded.cc)
