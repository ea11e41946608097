# Runs `sealport serve` at the start of Windows, without a person, and registers the source of its event log entries.
# Run as administrator. The custody passphrase stands in a file that only the account of the service may read.
# A scheduled task, because `sealport serve` is a console program: sc.exe takes only programs that speak to the service
# control manager.
param(
    [string]$Binary = "$env:ProgramFiles\Sealport\sealport.exe",
    [string]$DataDir = "$env:ProgramData\Sealport",
    [string]$PassphraseFile = "$env:ProgramData\Sealport\custody-passphrase",
    [string]$Account = "NT AUTHORITY\LOCAL SERVICE"
)
$ErrorActionPreference = "Stop"

if (-not (Test-Path $Binary)) { throw "There is no $Binary." }
if (-not (Test-Path $PassphraseFile)) { throw "There is no $PassphraseFile." }

if (-not [System.Diagnostics.EventLog]::SourceExists("Sealport")) {
    New-EventLog -LogName Application -Source Sealport
}

New-Item -ItemType Directory -Force -Path $DataDir | Out-Null
icacls $DataDir /inheritance:r /grant:r "${Account}:(OI)(CI)F" "Administrators:(OI)(CI)F" | Out-Null
icacls $PassphraseFile /inheritance:r /grant:r "${Account}:R" "Administrators:F" | Out-Null

$command = "set SEALPORT_CUSTODY_PASSPHRASE_FILE=$PassphraseFile&& `"$Binary`" --data-dir `"$DataDir`" serve"
$action = New-ScheduledTaskAction -Execute "$env:SystemRoot\System32\cmd.exe" -Argument "/d /c $command"
$trigger = New-ScheduledTaskTrigger -AtStartup
$settings = New-ScheduledTaskSettingsSet -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) `
    -ExecutionTimeLimit ([TimeSpan]::Zero) -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
$principal = New-ScheduledTaskPrincipal -UserId $Account -LogonType ServiceAccount -RunLevel Limited
Register-ScheduledTask -TaskName Sealport -Action $action -Trigger $trigger -Settings $settings -Principal $principal `
    -Force | Out-Null
Start-ScheduledTask -TaskName Sealport
