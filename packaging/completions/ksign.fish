# fish completion for ksign. tests/tool/documentation holds it against
# `ksign --help`; it reads the commands after __ksign_command, and -s and -l.

# Whether one of these commands has been typed; the two words of a name with a dash between them.
function __ksign_command
    set -l words (commandline -opc)
    test (count $words) -ge 2; or return 1
    if contains -- $words[2] keys config dkms
        test (count $words) -ge 3; and contains -- $words[2]-$words[3] $argv
    else
        contains -- $words[2] $argv
    end
end

# Whether the first word of a name of two has been typed, and no more.
function __ksign_group
    set -l words (commandline -opc)
    test (count $words) -eq 2; and test $words[2] = $argv[1]
end

function __ksign_no_command
    test (count (commandline -opc)) -eq 1
end

# The value of one of these options, as typed.
function __ksign_typed
    set -l value
    set -l previous
    for word in (commandline -opc)
        contains -- "$previous" $argv; and set value $word
        for option in $argv
            string match -q -- "$option=*" $word; and set value (string replace -- "$option=" '' $word)
        end
        set previous $word
    end
    echo $value
end

function __ksign_kernels
    for folder in (__ksign_typed --root)/lib/modules/*/
        basename $folder
    end
end

# With a kernel, a word without a slash is a module's name.
function __ksign_modules
    set -l kernel (__ksign_typed -k --kernel)
    set -l list (__ksign_typed --root)/lib/modules/$kernel/modules.dep
    test -n "$kernel" -a -r "$list"; and sed 's|:.*||; s|.*/||; s|\.ko.*||; s|-|_|g' $list
end

# How many words that are no options follow the command.
function __ksign_words
    count (string match -v -- '-*' (commandline -opc)[3..-1])
end

function __ksign_dkms_packages
    for folder in (__ksign_typed --root)/var/lib/dkms/*/
        basename $folder
    end
end

function __ksign_hashes
    printf '%s\n' sha1 sha224 sha256 sha384 sha512 sha3-256 sha3-384 sha3-512
end

function __ksign_types
    printf '%s\n' rsa-2048 rsa-3072 rsa-4096 p-256 p-384 p-521 ml-dsa-44 ml-dsa-65 ml-dsa-87
end

complete -c ksign -n __ksign_no_command -f
complete -c ksign -n __ksign_no_command -a sign -d 'sign modules'
complete -c ksign -n __ksign_no_command -a show -d 'show what modules carry'
complete -c ksign -n __ksign_no_command -a verify -d 'say what a kernel would answer to modules'
complete -c ksign -n __ksign_no_command -a audit -d 'say whether a kernel is ready for module.sig_enforce=1'
complete -c ksign -n __ksign_no_command -a strip -d 'take signatures off'
complete -c ksign -n __ksign_no_command -a post-build -d 'for DKMS: POST_BUILD'
complete -c ksign -n __ksign_no_command -a sign-file -d 'for DKMS: sign_file'
complete -c ksign -n __ksign_no_command -a sign-tool -d 'for DKMS 2.8.1 to 3.0.3: sign_tool'
complete -c ksign -n __ksign_no_command -a genkeys -d 'genkeys.py of Arch-SKM'
complete -c ksign -n __ksign_no_command -a install-certs -d 'install-certs.py of Arch-SKM'
complete -c ksign -n __ksign_no_command -a sign_module -d 'sign_module.py of Arch-SKM'
complete -c ksign -n __ksign_no_command -a 'keys config dkms' -d 'keys of kernels, configurations of kernels, DKMS'
complete -c ksign -n '__ksign_group keys' -f -a generate -d 'make a signing key for a kernel to be built'
complete -c ksign -n '__ksign_group keys' -f -a refresh -d 'the same, if the current key is too old'
complete -c ksign -n '__ksign_group keys' -f -a install -d 'put the key into a kernel package'
complete -c ksign -n '__ksign_group keys' -f -a show -d 'show the key of each installed kernel'
complete -c ksign -n '__ksign_group keys' -f -a enroll -d 'have a machine owner key enrolled'
complete -c ksign -n '__ksign_group config' -f -a check -d 'check a configuration for what signed modules need'
complete -c ksign -n '__ksign_group config' -f -a update -d 'have a configuration trust the current key'
complete -c ksign -n '__ksign_group dkms' -f -a enable -d 'have DKMS call ksign'
complete -c ksign -n '__ksign_group dkms' -f -a disable -d 'have DKMS call ksign no more'
complete -c ksign -n '__ksign_group dkms' -f -a status -d 'show how modules of DKMS come to be signed'
complete -c ksign -n __ksign_no_command -l version -d 'print the version'
complete -c ksign -s h -l help -d help
# These take no words.
complete -c ksign -n '__ksign_command audit keys-show dkms-status post-build' -f

complete -c ksign -n '__ksign_command sign show verify audit strip post-build' -s k -l kernel -x -a '(__ksign_kernels)' -d 'the kernel'
complete -c ksign -n '__ksign_command sign show verify audit strip' -l root -x -a '(__fish_complete_directories)' -d 'where the system is'
complete -c ksign -n '__ksign_command sign' -l key -rF -d 'private key, PEM file or pkcs11: URI'
complete -c ksign -n '__ksign_command sign' -l certificate -rF -d 'its certificate'
complete -c ksign -n '__ksign_command sign' -l pin-file -rF -d 'file with the passphrase or PIN'
complete -c ksign -n '__ksign_command sign' -l insecure -d 'take a file of a key or PIN that others may read or replace'
complete -c ksign -n '__ksign_command sign' -l hash -x -a '(__ksign_hashes)' -d hash
complete -c ksign -n '__ksign_command sign strip' -l level -x -d 'compression level'
complete -c ksign -n '__ksign_command sign show verify audit strip' -l max-size -x -d 'largest module, decompressed'
complete -c ksign -n '__ksign_command sign strip' -s n -l dry-run -d 'do everything but write'
complete -c ksign -n '__ksign_command sign' -s f -l force -d 'sign anew what is signed already'
complete -c ksign -n '__ksign_command sign' -l all-modules -d 'every module of the kernel'
complete -c ksign -n '__ksign_command sign' -l rebuild-initramfs -d 'make an outdated initramfs anew'
complete -c ksign -n '__ksign_command sign show verify audit strip' -l json -d 'results as JSON'
complete -c ksign -n '__ksign_command sign show verify audit strip post-build sign-tool keys-enroll' -l config -rF -d 'file in place of ksign.conf'
complete -c ksign -n '__ksign_command sign show verify strip' -a '(__ksign_modules)' -d module
complete -c ksign -n '__ksign_command verify audit' -l image -rF -d 'image of the kernel'
complete -c ksign -n '__ksign_command verify audit' -l kernel-config -rF -d 'configuration of the kernel'
complete -c ksign -n '__ksign_command verify audit' -l trust -rF -d 'certificate that it trusts as well'
complete -c ksign -n '__ksign_command audit' -l initramfs -rF -d 'its initramfs'
complete -c ksign -n '__ksign_command verify' -l enforce -x -a 'yes no' -d 'module.sig_enforce'
complete -c ksign -n '__ksign_command verify' -l lockdown -x -a 'none integrity confidentiality' -d lockdown
complete -c ksign -n '__ksign_command verify' -l load -x -a 'modprobe kernel plain' -d 'who decompresses'
complete -c ksign -n '__ksign_command sign verify audit' -s j -l jobs -x -d 'so many modules at a time'

complete -c ksign -n '__ksign_command post-build' -l dkms-tree -x -a '(__fish_complete_directories)' -d 'tree of DKMS'
complete -c ksign -n '__ksign_command post-build' -l module -x -d 'the package'
complete -c ksign -n '__ksign_command post-build' -l module-version -x -d 'its version'
complete -c ksign -n '__ksign_command post-build' -l arch -x -d 'the architecture'

complete -c ksign -n '__ksign_command sign-file' -s d -d 'write MODULE.p7s and nothing else'
complete -c ksign -n '__ksign_command sign-file' -s p -d 'write MODULE.p7s as well'
complete -c ksign -n '__ksign_command sign-file' -s k -d 'name the signer by key identifier'
complete -c ksign -n '__ksign_command sign-file' -s i -d 'put the certificate into the signature'
complete -c ksign -n '__ksign_command sign-file' -s s -d 'append a signature made elsewhere'
complete -c ksign -n '__ksign_command sign-file; and test (__ksign_words) -le 1' -a '(__ksign_hashes)' -d hash

complete -c ksign -n '__ksign_command sign-tool; and test (__ksign_words) -eq 0' -f -a '(__ksign_kernels)' -d 'the kernel'

complete -c ksign -n '__ksign_command keys-generate keys-refresh keys-install config-check config-update' -l certs-local -x -a '(__fish_complete_directories)' -d 'folder with the keys'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l kernel-config -rF -d 'configuration of the kernel to be built'
complete -c ksign -n '__ksign_command keys-generate keys-refresh keys-show keys-enroll' -s k -l kernel -x -a '(__ksign_kernels)' -d 'an installed kernel'
complete -c ksign -n '__ksign_command keys-generate keys-refresh keys-show keys-enroll' -l root -x -a '(__fish_complete_directories)' -d 'where the system is'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l type -x -a '(__ksign_types)' -d 'type of key'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l hash -x -a '(__ksign_hashes)' -d hash
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l profile -rF -d 'what the certificate says'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l cn -x -d 'common name'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l days -x -d 'how long the certificate is valid'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l code-signing -d 'with the usage codeSigning'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l ca -d 'a certificate of a CA'
complete -c ksign -n '__ksign_command keys-generate keys-refresh' -l keep -x -d 'so many key folders stay'
complete -c ksign -n '__ksign_command keys-refresh keys-show' -l refresh -x -a '7d 24h 30days always' -d 'how old a key may get'
complete -c ksign -n '__ksign_command keys-install' -l native -d 'for the build/certs of the kernel'
complete -c ksign -n '__ksign_command keys-install' -l public-only -d 'without the private key'
complete -c ksign -n '__ksign_command keys-install install-certs' -x -a '(__fish_complete_directories)' -d destination
complete -c ksign -n '__ksign_command keys-enroll' -l der -rF -d 'where the certificate in DER goes'
complete -c ksign -n '__ksign_command keys-enroll' -l yes -d 'run mokutil --import'
complete -c ksign -n '__ksign_command config-check' -l fix -d 'write what is wanted'
complete -c ksign -n '__ksign_command keys-show keys-enroll config-check' -l json -d 'results as JSON'
complete -c ksign -n '__ksign_command config-update' -l source -x -a '(__fish_complete_directories)' -d 'source tree of the kernel'
complete -c ksign -n '__ksign_command config-update' -l replace -d 'drop other certificates'
complete -c ksign -n '__ksign_command config-update' -s n -l dry-run -d 'do everything but write'

complete -c ksign -n '__ksign_command dkms-enable' -l all -d 'every package that DKMS knows'
complete -c ksign -n '__ksign_command dkms-enable dkms-disable' -l native -d 'in place of sign-file'
complete -c ksign -n '__ksign_command dkms-enable' -l append -d 'add a line to a file of yours'
complete -c ksign -n '__ksign_command dkms-enable dkms-disable dkms-status' -l root -x -a '(__fish_complete_directories)' -d 'where the system is'
complete -c ksign -n '__ksign_command dkms-status' -l json -d 'the result as JSON'
complete -c ksign -n '__ksign_command dkms-status' -l config -rF -d 'file in place of ksign.conf'
complete -c ksign -n '__ksign_command dkms-enable dkms-disable' -f -a '(__ksign_dkms_packages)' -d package

complete -c ksign -n '__ksign_command genkeys' -s r -l refresh -x -a '7d 24h 30days always' -d 'how old a key may get'
complete -c ksign -n '__ksign_command genkeys' -s c -l config -rF -d 'configuration of the kernel'
complete -c ksign -n '__ksign_command genkeys' -s v -l verb -d 'say more'
complete -c ksign -n '__ksign_command genkeys' -l khash -x -d 'not used'
complete -c ksign -n '__ksign_command genkeys' -l ktype -x -d 'not used'
complete -c ksign -n '__ksign_command sign_module' -s d -l directory -x -a '(__fish_complete_directories)' -d 'the modules of a folder'
