if(TARGET server_http)
  reelsense_fuzz(server_json server_http)
endif()
