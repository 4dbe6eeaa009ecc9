# fish completion for abk; tests/tool/documentation holds it against `abk --help`.

function __abk_kernels
    for file in ~/build/*/PKGBUILD
        basename (dirname $file)
    end
    printf '%s\n' linux linux-hardened linux-lts linux-rt linux-rt-lts linux-zen
end

complete -c abk -f
complete -c abk -x -s u -l update -a '(__abk_kernels)' -d 'Clone or update the packaging'
complete -c abk -x -l url -d 'Where a new clone comes from'
complete -c abk -x -s b -l build -a '(__abk_kernels)' -d 'Build its packages'
complete -c abk -x -s z -l compression -a 'gzip xz zstd none' -d 'For the modules of the kernel'
complete -c abk -x -s i -l install -a '(__abk_kernels)' -d 'Install a version that was built'
complete -c abk -x -s r -l rebuild -a '(__abk_kernels)' -d 'Build an archive again'
complete -c abk -x -s a -l archive -a '(__abk_kernels)' -d 'Archive the packaging'
complete -c abk -s y -l yes -d 'Answer every question with yes'
complete -c abk -x -s c -l clean -a '(__fish_complete_directories)' -d 'Remove a folder'
complete -c abk -s s -l clean-sources -d 'Remove downloaded sources'
complete -c abk -s l -l clean-logs -d 'Remove logs of builds'
complete -c abk -s o -l clean-packages -d 'Remove old packages'
complete -c abk -x -s w -l warnings -a '(__abk_kernels)' -d 'Print warnings of a build'
complete -c abk -s h -l help -d 'Help'
