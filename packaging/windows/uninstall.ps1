# Takes the service away. The data directory and the passphrase stay where they are. Run as administrator.
$ErrorActionPreference = "Stop"
Stop-ScheduledTask -TaskName Sealport -ErrorAction SilentlyContinue
Unregister-ScheduledTask -TaskName Sealport -Confirm:$false
if ([System.Diagnostics.EventLog]::SourceExists("Sealport")) { Remove-EventLog -Source Sealport }
