# Turns files under ROOT into one C file of strings: the table gpu_texts.
#   cmake -DROOT=src -DOUT=gpu_texts.c -DFILES=a.h,b.cl -P embed.cmake
string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(rows "")
set(n 0)
foreach(file ${files})
  file(READ ${ROOT}/${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const char text_${n}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${file}\", text_${n}},\n")
  math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUT}.new "/* Made by cmake/embed.cmake. */
#include \"backend/gpu/gpu_text.h\"

${arrays}
const gpu_text gpu_texts[] = {
${rows}    {0, 0},
};
")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.new ${OUT})
